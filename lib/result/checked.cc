#include "lib/result/checked.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <set>

#include "lib/result/document.h"

namespace shmark::result::detail {
namespace {

using json = nlohmann::json;

// "1.5", "a string", "null".
std::string described(const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "a list";
    case json::value_t::string:
      return "a text";
    default:
      return value.dump();
  }
}

std::string wanted_text(const range& within) {
  const std::string from = within.without_min ? " above " : " from ";
  const std::string to = within.max == std::numeric_limits<double>::infinity()
                             ? " up"
                             : (within.without_min ? " and up to " : " to ") + text_of(within.max);
  return "a number" + from + text_of(within.min) + (within.without_min && to == " up" ? "" : to);
}

// "a.b"; "a["b c"]" of a key that is no word, so that a way is one line, whatever keys are.
std::string step(const std::string& from, std::string_view key) {
  const bool is_word = !key.empty() && std::ranges::all_of(key, [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '_';
  });
  if (!is_word) return from + '[' + json(key).dump() + ']';
  return from + (from.empty() ? "" : ".") + std::string(key);
}

// Where in the document the parser is, and which keys it has met there.
class watcher {
 public:
  explicit watcher(std::vector<problem>& found) : found_(found) {}

  bool operator()(int, json::parse_event_t event, const json& parsed) {
    using enum json::parse_event_t;
    switch (event) {
      case key:
        enter(parsed.get<std::string>());
        break;
      case object_start:
      case array_start:
        open_.push_back({.is_list = event == array_start});
        break;
      case object_end:
      case array_end:
        open_.pop_back();
        [[fallthrough]];
      case value:
        if (!open_.empty() && open_.back().is_list) ++open_.back().index;
        break;
    }
    return true;
  }

 private:
  struct container {
    bool is_list = false;
    std::size_t index = 0;
    std::string key{};
    std::set<std::string> keys{};
  };

  void enter(std::string key) {
    container& innermost = open_.back();
    innermost.key = key;
    if (!innermost.keys.insert(std::move(key)).second) {
      found_.push_back({severity::error, way(), "is there twice"});
    }
  }

  [[nodiscard]] std::string way() const {
    std::string text;
    for (const container& each : open_) {
      if (each.is_list) {
        text += '[' + std::to_string(each.index) + ']';
      } else {
        text = step(text, each.key);
      }
    }
    return text;
  }

  std::vector<problem>& found_;
  std::vector<container> open_{};
};

}  // namespace

std::string text_of(double number) {
  constexpr double exact_integers = 9007199254740992.0;  // 2^53
  if (std::trunc(number) == number && std::abs(number) < exact_integers) {
    return std::to_string(static_cast<std::int64_t>(number));
  }
  return json(number).dump();
}

checked checked::find(std::string_view key) const {
  if (!is_there() || !value_->is_object()) return nothing(way_to(key));
  const auto found = value_->find(key);
  return {found == value_->end() ? nullptr : &*found, way_to(key), *found_};
}

checked checked::at(std::string_view key) const {
  const checked found = find(key);
  if (!found.is_there() && is_there() && value_->is_object()) found.fail("is missing");
  return found;
}

std::vector<std::pair<std::string, checked>> checked::members() const {
  std::vector<std::pair<std::string, checked>> all;
  if (!object()) return all;
  for (const auto& [key, value] : value_->items()) {
    all.emplace_back(key, checked(&value, way_to(key), *found_));
  }
  return all;
}

std::vector<checked> checked::elements() const {
  std::vector<checked> all;
  if (!expect(is_there() && value_->is_array(), "a list")) return all;
  for (std::size_t i = 0; i < value_->size(); ++i) {
    all.emplace_back(&(*value_)[i], where_ + '[' + std::to_string(i) + ']', *found_);
  }
  return all;
}

bool checked::object() const { return expect(is_there() && value_->is_object(), "an object"); }

std::optional<std::string> checked::text() const {
  if (!expect(is_text(), "a text")) return std::nullopt;
  return value_->get<std::string>();
}

std::optional<std::string> checked::text_of(std::initializer_list<std::string_view> words) const {
  auto given = text();
  if (!given || std::ranges::find(words, *given) != words.end()) return given;
  std::string wanted;
  for (const std::string_view word : words) {
    wanted += (wanted.empty() ? "" : ", ") + json(word).dump();
  }
  fail("is " + value_->dump() + ", not " + (words.size() == 1 ? "" : "one of ") + wanted);
  return std::nullopt;
}

std::optional<bool> checked::truth() const {
  if (!expect(is_there() && value_->is_boolean(), "true or false")) return std::nullopt;
  return value_->get<bool>();
}

std::optional<double> checked::number(range within) const {
  const double value = is_number() ? value_->get<double>() : 0;
  const bool fits = (within.without_min ? value > within.min : value >= within.min) &&
                    value <= within.max + within.rounding;
  if (!expect(is_number() && fits, wanted_text(within))) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> checked::count(std::uint64_t min) const {
  const bool is_count = is_there() && value_->is_number_unsigned();
  if (!expect(is_count && value_->get<std::uint64_t>() >= min,
              "a whole number from " + std::to_string(min) + " up")) {
    return std::nullopt;
  }
  return value_->get<std::uint64_t>();
}

std::string checked::way_to(std::string_view key) const { return step(where_, key); }

bool checked::expect(bool as_expected, const std::string& wanted) const {
  if (!as_expected && is_there()) fail("is " + described(*value_) + ", not " + wanted);
  return as_expected;
}

std::optional<json> parse_strictly(std::string_view text, std::vector<problem>& found) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";  // which the parser would skip
  if (text.starts_with(byte_order_mark)) {
    found.push_back({severity::error, "1:1", "is a byte order mark, which JSON has not"});
  }
  try {
    return json::parse(text, watcher(found));
  } catch (const json::parse_error& wrong) {
    found.push_back(
        {severity::error, line_and_column(text, wrong.byte), "is not JSON from there on"});
  } catch (const json::exception&) {
    found.push_back({severity::error, "", "it holds a number that no double can hold"});
  }
  return std::nullopt;
}

}  // namespace shmark::result::detail
