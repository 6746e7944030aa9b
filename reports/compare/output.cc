#include "reports/compare/output.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "reports/style.h"
#include "reports/text.h"

namespace shmark::reports {
namespace {

using std::string;
using std::string_view;

// "2026-11-22T12:40:38+00:00 · commit 82182f5f26df · gcc 12.2.0 opt · Xeon, 2 cores"
string facts_of(const result::context& about, string_view separator) {
  string facts = about.date.empty() ? "no date" : about.date;
  const auto add = [&](const string& fact) { (facts += separator) += fact; };
  if (about.schema == 0) {
    add("plain Google Benchmark file");
    add(fmt::format("{} processors", about.num_cpus));
    return facts;
  }
  add("commit " + short_commit(about.commit));
  add(fmt::format("{} {}", about.build.compiler, name_of(about.build.mode)));
  add(fmt::format("{}, {} cores", about.machine.cpu, about.machine.cores));
  return facts;
}

string summary(const comparison& done) {
  constexpr outcome order[] = {outcome::regressed,    outcome::improved, outcome::unchanged,
                               outcome::inconclusive, outcome::missing,  outcome::is_new};
  string line;
  for (const outcome each : order) {
    if (!line.empty()) line += ", ";
    line += fmt::format("{} {}", done.count(each), name_of(each));
  }
  return line;
}

string explanation(const comparison& done) {
  return fmt::format(
      "A coarse first decision: regressed means that the median is more than {:.2f} times the "
      "baseline's and, with {} or more repetitions on each side, that the repetitions do not "
      "overlap. "
      "Launches of one program on a shared machine drift by about 4 %, so smaller differences say "
      "nothing. Open loops, whose rate is given, are compared by the median of the time from when "
      "an operation was due until it ended (intended_p50_ns).",
      done.threshold, enough_repetitions);
}

string shown_ratio(const comparison_row& row) { return row.ratio ? ratio(*row.ratio) : "-"; }

string shown_outcome(const comparison_row& row) {
  return string(name_of(row.result)) + (row.note.empty() ? "" : " (" + row.note + ')');
}

string_view colour_of(outcome result) {
  switch (result) {
    case outcome::regressed:
      return "\033[1;31m";
    case outcome::improved:
      return "\033[32m";
    case outcome::unchanged:
      return "";
    case outcome::inconclusive:
    case outcome::missing:
      return "\033[33m";
    case outcome::is_new:
      return "\033[36m";
  }
  return "";
}

string coloured(const string& text, string_view colour, colours allowed) {
  if (allowed == colours::off || colour.empty()) return text;
  return string(colour) + text + "\033[0m";
}

string wrapped(const string& text, std::size_t width) {
  string out;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (column > 0) {
      const bool fits = column + 1 + (end - at) <= width;
      out += fits ? ' ' : '\n';
      column = fits ? column + 1 : 0;
    }
    out += text.substr(at, end - at);
    column += end - at;
    at = end + 1;
  }
  return out;
}

struct widths {
  std::size_t name = 9;
  std::size_t baseline = 8;
  std::size_t candidate = 9;
};

widths widths_of(const comparison& done) {
  widths all;
  for (const comparison_row& row : done.rows) {
    all.name = std::max(all.name, row.name.size());
    all.baseline = std::max(all.baseline, row.baseline.size());
    all.candidate = std::max(all.candidate, row.candidate.size());
  }
  return all;
}

string terminal_row(const comparison_row& row, const widths& width, colours allowed) {
  return fmt::format("{:<{}}  {:>{}}  {:>{}}  {:>6}  {}\n", printable(row.name), width.name,
                     row.baseline, width.baseline, row.candidate, width.candidate, shown_ratio(row),
                     coloured(printable(shown_outcome(row)), colour_of(row.result), allowed));
}

string html_row(const comparison_row& row) {
  return fmt::format(
      "<tr class=\"{0}\"><th scope=\"row\">{1}</th><td>{2}</td><td>{3}</td><td>{4}</td>"
      "<td class=\"word\"><span class=\"badge {0}\">{0}</span> {5}</td></tr>\n",
      name_of(row.result), escape_html(row.name), escape_html(row.baseline),
      escape_html(row.candidate), shown_ratio(row), escape_html(row.note));
}

string html_side(string_view which, const named_run& side) {
  return fmt::format(
      "<tr><th scope=\"row\">{}</th><td class=\"word\">{}</td><td class=\"word\">{}"
      "</td></tr>\n",
      which, escape_html(side.name), escape_html(facts_of(side.run.about, " · ")));
}

}  // namespace

string as_terminal_text(const comparison& done, const named_run& baseline,
                        const named_run& candidate, colours allowed) {
  constexpr std::size_t terminal_width = 100;
  string out =
      fmt::format("baseline   {}\n           {}\ncandidate  {}\n           {}\n",
                  printable(baseline.name), printable(facts_of(baseline.run.about, ", ")),
                  printable(candidate.name), printable(facts_of(candidate.run.about, ", ")));
  for (const string& note : done.notes) {
    out += coloured("note: " + printable(note), "\033[33m", allowed) + '\n';
  }
  const widths width = widths_of(done);
  const string head =
      fmt::format("{:<{}}  {:>{}}  {:>{}}  {:>6}  {}", "benchmark", width.name, "baseline",
                  width.baseline, "candidate", width.candidate, "ratio", "verdict");
  out += '\n' + coloured(head, "\033[1m", allowed) + '\n';
  for (const comparison_row& row : done.rows) out += terminal_row(row, width, allowed);
  out += '\n' + coloured(summary(done),
                         done.regressed() ? colour_of(outcome::regressed) : "\033[1m", allowed);
  return out + '\n' + wrapped(explanation(done), terminal_width) + '\n';
}

string as_markdown(const comparison& done, const named_run& baseline, const named_run& candidate) {
  string out = fmt::format("**{}**\n\n", summary(done));
  for (const auto& [which, side] : {std::pair("baseline", &baseline), {"candidate", &candidate}}) {
    out += fmt::format("- {}: {} ({})\n", which, escape_markdown(side->name),
                       escape_markdown(facts_of(side->run.about, ", ")));
  }
  for (const string& note : done.notes) out += fmt::format("- {}\n", escape_markdown(note));
  out += "\n| benchmark | baseline | candidate | ratio | verdict |\n|---|--:|--:|--:|---|\n";
  for (const comparison_row& row : done.rows) {
    const string verdict = escape_markdown(shown_outcome(row));
    const bool bad = row.result == outcome::regressed;
    out += fmt::format("| {} | {} | {} | {} | {} |\n", escape_markdown(row.name), row.baseline,
                       row.candidate, shown_ratio(row), bad ? "**" + verdict + "**" : verdict);
  }
  return out + '\n' + explanation(done) + '\n';
}

string as_html(const comparison& done, const named_run& baseline, const named_run& candidate) {
  string body = "<header><h1>" + escape_html(done.regressed() ? "Regressed" : "Nothing regressed") +
                "</h1><p class=\"lead\">" + summary(done) + "</p></header>\n<main>\n";
  if (!done.notes.empty()) {
    body += "<ul class=\"warnings\">";
    for (const string& note : done.notes) body += "<li>" + escape_html(note) + "</li>";
    body += "</ul>\n";
  }
  body +=
      "<section><div class=\"scroll\"><table><thead><tr><th scope=\"col\">benchmark</th>"
      "<th scope=\"col\">baseline</th><th scope=\"col\">candidate</th>"
      "<th scope=\"col\">ratio</th><th scope=\"col\" class=\"word\">verdict</th></tr></thead>"
      "<tbody>\n";
  for (const comparison_row& row : done.rows) body += html_row(row);
  body +=
      "</tbody></table></div><p class=\"note\">" + escape_html(explanation(done)) +
      "</p></section>\n<section><h2>What was compared</h2><div class=\"scroll\"><table><tbody>\n" +
      html_side("baseline", baseline) + html_side("candidate", candidate) +
      "</tbody></table></div></section>\n</main>\n";
  return html_document("Comparison", body);
}

}  // namespace shmark::reports
