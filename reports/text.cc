#include "reports/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

namespace shmark::reports {
namespace {

bool is_control(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return code < 0x20 || code == 0x7f;
}

}  // namespace

std::string short_commit(std::string_view commit) {
  constexpr std::size_t enough = 12;
  const auto plus = commit.find('+');
  std::string text(commit.substr(0, std::min(plus, enough)));
  return plus == std::string_view::npos ? text : text + " with uncommitted changes";
}

std::string percent(double share) { return fmt::format("{:.1f} %", share * 100); }

std::string ratio(double value) {
  if (value < 0.095) return fmt::format("{:.2g}", value);
  if (value < 10) return fmt::format("{:.2f}", value);
  return value < 999.5 ? fmt::format("{:.3g}", value) : fmt::format("{:.0f}", value);
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char byte : text) {
    switch (byte) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\n':
      case '\t':
        out += byte;
        break;
      default:
        if (is_control(byte)) {
          out += "\uFFFD";
        } else {
          out += byte;
        }
    }
  }
  return out;
}

std::string escape_markdown(std::string_view text) {
  constexpr std::string_view markup = "\\`*_[]|~@";
  std::string out;
  for (const char byte : text) {
    if (byte == '<') {
      out += "&lt;";
    } else if (byte == '>') {
      out += "&gt;";
    } else if (byte == '&') {
      out += "&amp;";
    } else if (is_control(byte)) {
      out += ' ';
    } else {
      if (markup.find(byte) != std::string_view::npos) out += '\\';
      out += byte;
    }
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // U+0080 to U+009F, in UTF-8 C2 80 to C2 9F: terminals obey some of them too.
    const bool second_set =
        text[i] == '\xc2' && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) <= 0x9f;
    if (second_set) ++i;
    out += second_set || is_control(text[i]) ? '?' : text[i];
  }
  return out;
}

}  // namespace shmark::reports
