// The page while it grows: HTML, and the charts that page.js will draw into it.
//
// Every function here escapes the text that it is given; only `html` parameters are taken as they
// are.
#pragma once

#include <nlohmann/json.hpp>
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
  void begin_section(std::string_view heading, std::string_view explanation);
  void end_section() { body_ += "</section>\n"; }
  void begin_grid(int columns);
  void end_grid() { body_ += "</div>\n"; }

  // A figure with its table below. `folded`: the table opens on demand.
  enum class tables { open, folded };
  void add_chart(const chart& chart, const table& numbers, tables shown = tables::open);
  void add_charts(std::string_view title, const std::vector<variant>& variants,
                  std::size_t first_shown, const table& numbers, tables shown);
  void add_table(const table& numbers);

  // The whole page. Call once, last.
  [[nodiscard]] std::string finish() &&;

 private:
  void begin_figure(std::string_view title);
  void add_canvas(std::string_view description, std::size_t chart_index, std::size_t height);
  void end_figure(const table& numbers, tables shown);

  std::string title_{};
  std::string body_{};
  nlohmann::ordered_json charts_ = nlohmann::ordered_json::array();
};

}  // namespace shmark::reports
