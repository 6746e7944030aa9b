// Each worker encodes one value into the same memory, or decodes it into the same object, over and
// over.
#pragma once

#include <expected>
#include <memory>

#include "lib/codec/codec.h"
#include "lib/measure/clock.h"
#include "lib/workload/workload.h"

namespace shmark {

enum class codec_op { encode, decode };

[[nodiscard]] constexpr std::string_view name_of(codec_op op) noexcept {
  return op == codec_op::encode ? "encode" : "decode";
}

template <class Codec, class Shape>
class serialization final : public workload {
  using type = typename Shape::type;
  static_assert(codec<Codec, type>);

 public:
  explicit serialization(codec_op op) : op_(op) {}

  void work(window_worker& self) override {
    const type value = Shape::make();
    buffer bytes;
    type copy{};
    auto done = Codec::encode(value, bytes);
    while (self.next()) {
      self.run([&] {
        if (op_ == codec_op::encode) {
          bytes.clear();
          done = Codec::encode(value, bytes);
        } else {
          done = Codec::decode(bytes.bytes(), copy);
        }
        keep(bytes);
        keep(copy);
      });
      if (done) done = Codec::decode(bytes.bytes(), copy);
      if (!done) return self.fail(done.error());
      self.counters() = {bytes.bytes().size(), copy == value ? 1U : 0U, 0, 0};
    }
  }

  std::expected<counters, error> conclude(const window_result& result) override {
    if (result.sum(1) != result.counters.size()) {
      return failure(errc::corrupt, "trust codec", Codec::name,
                     because{"what it decodes is not what it encoded"}, "do not use it");
    }
    return counters{{"bytes", static_cast<double>(result.counters.front()[0])}};
  }

 private:
  codec_op op_;
};

}  // namespace shmark
