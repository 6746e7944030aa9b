// A peer: Redis, over a Unix socket, if its client is linked (SHMARK_PEERS; see missing_peers.h)
// and redis-server is there when it is asked for.
//
// Each store has a server of its own, which keeps nothing on a disk and listens at its socket only;
// that is in /dev/shm, under the run's name. Each handle is a connection. A read is a GET, whose
// answer lies in this process; a write is a SET.
//
// One thread of the server does all the work, on whichever processor it gets: its processor time is
// not counted with the workers'.
//
// A server that has gone is told by an error where SIGPIPE is ignored, as it is in workers; hiredis
// does not see to that.
//
// What survives a worker's crash: the value, as of the last SET that came whole. Of the server's:
// nothing. The server ends with its store and, by SIGTERM, with whoever made it.
//
// Source: redis.io/docs/reference, "Redis serialization protocol"; hiredis.h.
#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lib/crew/command.h"
#include "lib/subject/byte_store.h"

namespace shmark {

class redis_store {
  struct closes {
    void operator()(redisContext* connection) const noexcept { redisFree(connection); }
    void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
  };
  using connection = std::unique_ptr<redisContext, closes>;
  using answer = std::unique_ptr<redisReply, closes>;

 public:
  static constexpr std::string_view name = "redis";
  static constexpr byte_store_traits can{.crash_safe = true};

  class handle {
   public:
    template <std::invocable<std::span<const std::byte>> F>
    [[nodiscard]] std::expected<void, error> read(F&& visit) {
      const auto got = ask(std::array<std::string_view, 2>{"GET", key});
      if (!got) [[unlikely]]
        return std::unexpected(got.error());
      visit(std::as_bytes(std::span((*got)->str, (*got)->len)));
      return {};
    }
    [[nodiscard]] std::expected<void, error> write(std::span<const std::byte> value);

   private:
    friend redis_store;
    static constexpr std::string_view key = "v";
    explicit handle(connection to) noexcept : to_(std::move(to)) {}

    // Waits for the answer. Errors: the server's, and those of the connection to it.
    [[nodiscard]] std::expected<answer, error> ask(std::span<const std::string_view> words);

    connection to_;
  };

  // Whether there is a redis-server to start.
  [[nodiscard]] static std::optional<std::string> missing_reason();

  // Returns when the server answers.
  [[nodiscard]] static std::expected<redis_store, error> create(const run& owner,
                                                                std::size_t payload_bytes);
  redis_store(redis_store&& other) noexcept = default;
  redis_store& operator=(redis_store&&) = delete;
  ~redis_store() = default;

  [[nodiscard]] std::expected<handle, error> attach() const;

 private:
  struct server {
    command process;
    std::string socket;
    pid_t owner = getpid();

    server(command its_process, std::string its_socket) noexcept
        : process(std::move(its_process)), socket(std::move(its_socket)) {}
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server();
  };

  explicit redis_store(std::unique_ptr<server> its) noexcept : server_(std::move(its)) {}
  // Errors: worker_died, timed_out, interrupted.
  static std::expected<void, error> await(server& started);
  static std::expected<connection, error> connect(const std::string& socket);

  std::unique_ptr<server> server_;
};
static_assert(byte_store<redis_store>);

}  // namespace shmark
