// A JSON document that is looked through for problems: a value with the way to it, that notes what
// is wrong where it is asked for something. What is missing or wrong gives nothing, so that
// whatever depends on it is skipped. Internal to lib/result.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/result/validate.h"

namespace shmark::result::detail {

struct range {
  double min = 0;
  double max = std::numeric_limits<double>::infinity();
  bool without_min = false;
  double rounding = 0;  // what may be beyond max
};

// "1.5", "12".
[[nodiscard]] std::string text_of(double number);

// Refers to the document and to the list of problems.
class checked {
 public:
  using json = nlohmann::json;

  checked(const json* value, std::string where, std::vector<problem>& found)
      : value_(value), where_(std::move(where)), found_(&found) {}

  [[nodiscard]] bool is_there() const noexcept { return value_ != nullptr; }
  [[nodiscard]] bool is_number() const noexcept { return is_there() && value_->is_number(); }
  [[nodiscard]] bool is_text() const noexcept { return is_there() && value_->is_string(); }
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

  void fail(std::string what) const {
    found_->push_back({severity::error, where_, std::move(what)});
  }
  void warn(std::string what) const {
    found_->push_back({severity::warning, where_, std::move(what)});
  }

  // What is in an object. find() is silent where nothing is; at() notes it.
  [[nodiscard]] checked find(std::string_view key) const;
  [[nodiscard]] checked at(std::string_view key) const;
  [[nodiscard]] checked member(std::string_view key, bool required) const {
    return required ? at(key) : find(key);
  }

  // The members of an object by name, the elements of a list.
  [[nodiscard]] std::vector<std::pair<std::string, checked>> members() const;
  [[nodiscard]] std::vector<checked> elements() const;

  // Values of a type. Each notes what is there instead.
  bool object() const;
  std::optional<std::string> text() const;
  std::optional<std::string> text_of(std::initializer_list<std::string_view> words) const;
  std::optional<bool> truth() const;
  std::optional<double> number(range within = {}) const;
  std::optional<std::uint64_t> count(std::uint64_t min = 0) const;

 private:
  [[nodiscard]] std::string way_to(std::string_view key) const;
  [[nodiscard]] checked nothing(std::string where) const {
    return {nullptr, std::move(where), *found_};
  }
  bool expect(bool as_expected, const std::string& wanted) const;

  const json* value_;
  std::string where_;
  std::vector<problem>* found_;
};

// The document, if the text is strict JSON; notes where it is not, and every key that an object has
// twice.
[[nodiscard]] std::optional<nlohmann::json> parse_strictly(std::string_view text,
                                                           std::vector<problem>& found);

}  // namespace shmark::result::detail
