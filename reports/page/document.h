// The page while it grows: HTML, and the charts that page.js will draw into it.
//
// Every function here escapes the text that it is given; only `html` parameters are taken as they
// are.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/page/chart.h"

namespace shmark::reports {

struct table {
  std::string caption{};  // says what the numbers are; screen readers announce it
  std::vector<std::string> head{};
  std::vector<std::vector<std::string>>
      rows{};                        // each as long as head; the first cell names the row
  std::vector<std::string> notes{};  // below it
  int words = 1;                     // so many columns are words, and what follows numbers: 1 to 3
};

// One of several charts that share a place; the reader picks by label.
struct variant {
  std::string label{};
  chart shown{};
};

class document {
 public:
  explicit document(std::string_view title) : title_(title) {}

  void add_html(std::string_view html) { body_ += html; }
  // Links to all sections will stand here.
  void add_contents() { contents_at_ = body_.size(); }

  // The reader can fold it up.
  void begin_section(std::string_view heading, std::string_view explanation);
  void end_section() { body_ += "</details></section>\n"; }
  void add_text(std::string_view text);
  void add_list(const std::vector<std::string>& items);
  // What most readers will not need.
  void begin_folded(std::string_view summary);
  void end_folded() { body_ += "</details>\n"; }
  void begin_grid(int columns);
  void end_grid() { body_ += "</div>\n"; }

  // A figure with its table below. `folded`: the table opens on demand.
  enum class tables { open, folded };
  void add_chart(const chart& chart, const table& numbers, tables shown = tables::open);
  void add_charts(std::string_view title, const std::vector<variant>& variants,
                  std::size_t first_shown, const table& numbers, tables shown);
  void add_table(const table& numbers, tables shown = tables::open);

  // The whole page. Call once, last.
  [[nodiscard]] std::string finish() &&;

 private:
  void insert_contents();
  void begin_figure(std::string_view title);
  void add_canvas(std::string_view description, std::size_t chart_index, std::size_t height);
  void end_figure(const table& numbers, tables shown);

  std::string title_{};
  std::string body_{};
  std::vector<std::string> headings_{};
  std::optional<std::size_t> contents_at_{};
  nlohmann::ordered_json charts_ = nlohmann::ordered_json::array();
};

}  // namespace shmark::reports
