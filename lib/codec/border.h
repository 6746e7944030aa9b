// The border at which exceptions end: Boost's, those of users' serialize(), and the one by which
// codecs get out of nested calls. Used by the codecs alone.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <expected>
#include <new>
#include <string_view>
#include <utility>

#include "lib/base/contained.h"
#include "lib/base/error.h"

namespace shmark::detail {

// An error on its way through serialize().
class refusal final : public std::exception {
 public:
  explicit refusal(const error& why) noexcept : why_(why) {}
  [[nodiscard]] const error& why() const noexcept { return why_; }
  [[nodiscard]] const char* what() const noexcept override { return "the archive refuses it"; }

 private:
  error why_;
};

// On which way something was thrown, and so what that says: bytes are to blame when decoding, the
// value when encoding.
struct crossing {
  const char* attempted;
  errc blamed;
  const char* why;
};
constexpr crossing encoding{"encode", errc::invalid, "its serialize() threw"};
constexpr crossing decoding{"decode", errc::corrupt, "the archive or serialize() refuses it"};

// One line of what was found, with what the exception says.
[[nodiscard, gnu::cold]] inline because thrown_on(const crossing& way,
                                                  const std::exception& thrown) noexcept {
  char text[short_text::capacity];
  const char* what = thrown.what();
  std::snprintf(text, sizeof text, "%s: %.*s", way.why, static_cast<int>(std::strcspn(what, "\n")),
                what);
  return {text};
}

// Runs `work`, whose exceptions become errors. Values' own serialize() and std::bad_alloc included.
template <class Work>
std::expected<void, error> within_border(const crossing& way, std::string_view codec,
                                         Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return {};
  } catch (const refusal& thrown) {
    return std::unexpected(thrown.why());
  } catch (const std::bad_alloc&) {
    return out_of_memory(way.attempted, codec);
  } catch (const std::exception& thrown) {
    return failure(way.blamed, way.attempted, codec, thrown_on(way, thrown));
  } catch (...) {
    return failure(way.blamed, way.attempted, codec, because{way.why});
  }
}

}  // namespace shmark::detail
