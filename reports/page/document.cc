#include "reports/page/document.h"

#include <fmt/core.h>

#include <algorithm>

#include "reports/page/chart_js.h"
#include "reports/page/page_js.h"
#include "reports/style.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

// JSON that may stand inside a script element: nothing in it can end the element or begin a
// comment.
std::string script_safe(const nlohmann::ordered_json& value) {
  constexpr bool ascii_only = true;  // U+2028 and U+2029 end lines in some readers
  const std::string text =
      value.dump(-1, ' ', ascii_only, nlohmann::ordered_json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char byte : text) {
    // These stand only inside strings, where JSON has another way to write them.
    if (byte == '<' || byte == '>' || byte == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
    } else {
      out += byte;
    }
  }
  return out;
}

std::string html_of(const table& numbers) {
  std::string out = fmt::format(
      "<div class=\"scroll\"><table class=\"words-{}\"><caption>{}</caption><thead><tr>",
      numbers.words, escape_html(numbers.caption));
  for (const std::string& cell : numbers.head) {
    out += "<th scope=\"col\">" + escape_html(cell) + "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (const auto& row : numbers.rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = escape_html(row[i]);
      out += i == 0 ? "<th scope=\"row\">" + cell + "</th>" : "<td>" + cell + "</td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody></table></div>";
  for (const std::string& note : numbers.notes) {
    out += "<p class=\"note\">" + escape_html(note) + "</p>";
  }
  return out;
}

// In pixels: charts of rows grow with them.
std::size_t height_of(const chart& chart) {
  constexpr std::size_t usual = 360;
  if (chart.kind == chart_kind::lines || chart.kind == chart_kind::points) {
    // A legend of several lines must not be at the chart's expense.
    constexpr std::size_t in_first_lines = 6;
    constexpr std::size_t in_a_line = 3;
    constexpr std::size_t line = 24;
    const auto listed =
        static_cast<std::size_t>(std::ranges::count_if(chart.series, &chart_series::listed));
    return usual +
           (std::max(listed, in_first_lines) - in_first_lines + in_a_line - 1) / in_a_line * line;
  }
  constexpr std::size_t axis = 64;
  constexpr std::size_t legend = 36;
  constexpr std::size_t row = 34;
  constexpr std::size_t bar = 20;
  const std::size_t bars = chart.kind == chart_kind::bars ? chart.series.size() : 0;
  const bool listed = std::ranges::any_of(chart.series, &chart_series::listed);
  return axis + (listed ? legend : 0) + chart.y.categories.size() * std::max(row, bars * bar + 14);
}

}  // namespace

void document::begin_section(std::string_view heading, std::string_view explanation) {
  headings_.emplace_back(heading);
  body_ += fmt::format(
      "<section id=\"section-{}\">\n<details class=\"part\" open><summary><h2>{}</h2></summary>\n",
      headings_.size(), escape_html(heading));
  if (!explanation.empty()) add_text(explanation);
}

void document::add_text(std::string_view text) {
  body_ += "<p class=\"explanation\">" + escape_html(text) + "</p>\n";
}

void document::add_list(const std::vector<std::string>& items) {
  if (items.empty()) return;
  body_ += "<ul class=\"findings\">\n";
  for (const std::string& each : items) body_ += "<li>" + escape_html(each) + "</li>\n";
  body_ += "</ul>\n";
}

void document::begin_folded(std::string_view summary) {
  body_ += "<details class=\"more\"><summary>" + escape_html(summary) + "</summary>\n";
}

void document::begin_grid(int columns) {
  body_ += fmt::format("<div class=\"grid columns-{}\">\n", columns);
}

void document::begin_figure(std::string_view title) {
  body_ += "<figure>\n<figcaption>" + escape_html(title) + "</figcaption>\n";
}

void document::add_canvas(std::string_view description, std::size_t chart_index,
                          std::size_t height) {
  body_ += fmt::format(
      "<div class=\"canvas\" style=\"height:{}px\"><canvas role=\"img\" aria-label=\"{}\" "
      "data-chart=\"{}\"></canvas></div>\n",
      height, escape_html(description), chart_index);
}

void document::end_figure(const table& numbers, tables shown) {
  if (shown == tables::folded) {
    body_ += "<details><summary>Numbers</summary>" + html_of(numbers) + "</details>";
  } else {
    body_ += html_of(numbers);
  }
  body_ += "\n</figure>\n";
}

void document::add_chart(const chart& chart, const table& numbers, tables shown) {
  begin_figure(chart.title);
  add_canvas(chart.title + "; the table below has the numbers", charts_.size(), height_of(chart));
  charts_.push_back({{"first", 0}, {"variants", {to_json(chart)}}});
  end_figure(numbers, shown);
}

void document::add_charts(std::string_view title, const std::vector<variant>& variants,
                          std::size_t first_shown, const table& numbers, tables shown) {
  begin_figure(title);
  const std::size_t index = charts_.size();
  nlohmann::ordered_json drawn = nlohmann::ordered_json::array();
  if (variants.size() > 1) {
    body_ += fmt::format("<label class=\"pick\">Show <select data-for=\"{}\">", index);
    for (std::size_t i = 0; i < variants.size(); ++i) {
      body_ += fmt::format("<option value=\"{}\"{}>{}</option>", i,
                           i == first_shown ? " selected" : "", escape_html(variants[i].label));
    }
    body_ += "</select></label>\n";
  }
  std::size_t height = 0;
  for (const variant& each : variants) {
    drawn.push_back(to_json(each.shown));
    height = std::max(height, height_of(each.shown));
  }
  add_canvas(std::string(title) + "; the table below has the numbers", index, height);
  charts_.push_back({{"first", first_shown}, {"variants", std::move(drawn)}});
  end_figure(numbers, shown);
}

void document::add_table(const table& numbers, tables shown) {
  if (shown == tables::folded) begin_folded(numbers.caption);
  body_ += html_of(numbers) + '\n';
  if (shown == tables::folded) end_folded();
}

void document::insert_contents() {
  constexpr std::size_t worth_it = 4;
  if (!contents_at_ || headings_.size() < worth_it) return;
  std::string links;
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    links +=
        fmt::format("<li><a href=\"#section-{}\">{}</a></li>", i + 1, escape_html(headings_[i]));
  }
  body_.insert(*contents_at_, "<nav aria-label=\"Contents\"><ul>" + links + "</ul></nav>\n");
}

std::string document::finish() && {
  insert_contents();
  body_ += "<script type=\"application/json\" id=\"charts\">" + script_safe(charts_) +
           "</script>\n<script>\n";
  body_ += embedded::chart_js;
  body_ += "\n</script>\n<script>\n";
  body_ += embedded::page_js;
  body_ += "</script>\n";
  return html_document(title_, body_);
}

}  // namespace shmark::reports
