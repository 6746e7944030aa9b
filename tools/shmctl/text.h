// Text as people and as programs read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shmark::inspector {

// Rows whose columns stand below each other. The first row is the heading; numbers go to the right.
class table {
 public:
  enum class side : std::uint8_t { left, right };
  struct column {
    std::string heading;
    side where = side::left;
  };

  explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}
  // Requires: as many as there are columns.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  // Lines that end in newlines, each after `indent` spaces.
  [[nodiscard]] std::string text(std::size_t indent = 0) const;

 private:
  std::vector<column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// What a terminal shows as it is: names are input, and may hold what moves its cursor.
[[nodiscard]] std::string printable(std::string_view text);

// As a word of a shell's command.
[[nodiscard]] std::string shell_word(std::string_view word);

[[nodiscard]] bool is_utf8(std::string_view text);

// Characters of 1, 2 or 4 bytes as a JSON string; if they are no Unicode text, {"bytes": "68ff"}
// with all of their bytes.
[[nodiscard]] nlohmann::json text_json(std::span<const std::byte> characters, std::size_t size);
[[nodiscard]] nlohmann::json text_json(std::string_view text);

// How long, in one unit: "250 ms", "3.2 s", "5 min", "2 h", "3 d".
[[nodiscard]] std::string span_text(double seconds);

}  // namespace shmark::inspector
