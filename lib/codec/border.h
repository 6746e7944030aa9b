// The border at which exceptions end: Boost's, those of users' serialize(), and the one by which
// codecs get out of nested calls. Used by the codecs alone.
#pragma once

#include <exception>
#include <expected>
#include <string_view>
#include <utility>

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

// Runs `work`, whose exceptions become errors. Values' own serialize() and std::bad_alloc included.
template <class Work>
std::expected<void, error> within_border(const char* attempted, std::string_view codec,
                                         Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return {};
  } catch (const refusal& thrown) {
    return std::unexpected(thrown.why());
  } catch (const std::exception& thrown) {
    return failure(errc::corrupt, attempted, codec,
                   because{"the archive reports a damaged or foreign value"});
  } catch (...) {
    return failure(errc::corrupt, attempted, codec, because{"serialize() threw"});
  }
}

}  // namespace shmark::detail
