#include "lib/subject/redis_store.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <utility>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/random.h"

namespace shmark {
namespace {

constexpr auto server_program = "redis-server";
// How long it may take until it answers.
constexpr auto patience = std::chrono::seconds(10);

std::vector<std::string> words_for(const std::string& socket) {
  const std::array<std::pair<const char*, std::string>, 6> settings{{
      {"--port", "0"},  // none
      {"--unixsocket", socket},
      {"--unixsocketperm", "600"},
      {"--save", ""},
      {"--appendonly", "no"},
      {"--databases", "1"},
  }};
  std::vector<std::string> words{server_program};
  for (const auto& [key, value] : settings) words.insert(words.end(), {key, value});
  return words;
}

bool is_on_path(std::string_view what) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access(fmt::format("{}/{}", folder.empty() ? "." : folder, what).c_str(), X_OK) == 0)
      return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> redis_store::missing_reason() {
  if (is_on_path(server_program)) return {};
  return fmt::format("there is no {} on the PATH; run tools/setup --peers", server_program);
}

// It has nothing to save.
redis_store::server::~server() {
  if (owner != getpid()) return;
  kill(process.process(), SIGKILL);
  unlink(socket.c_str());
}

auto redis_store::connect(const std::string& socket) -> std::expected<connection, error> {
  constexpr auto* attempted = "connect to";
  connection made(redisConnectUnix(socket.c_str()));
  if (made == nullptr) return failure(errc::no_space, attempted, name);
  if (made->err != 0) return failure(errc::system, attempted, name, because{made->errstr});
  return made;
}

// It says more than one thing after it has begun to listen: whenever it says something, we try.
std::expected<void, error> redis_store::await(server& started) {
  const auto until = deadline::after(patience);
  std::string said;
  for (;;) {
    const auto line = started.process.line(until);
    if (!line) {
      error why = line.error();
      why.attempted = "start";
      why.object = server_program;
      if (why.code == errc::worker_died) why.why = fmt::format("its last words: {}", said);
      return std::unexpected(why);
    }
    said = *line;
    auto to = connect(started.socket);
    if (!to) continue;
    handle own(*std::move(to));
    SHMARK_RETURN_IF_ERROR(own.ask(std::array<std::string_view, 1>{"PING"}));
    return {};
  }
}

std::expected<redis_store, error> redis_store::create(const run& owner, std::size_t) {
  auto socket =
      fmt::format("/dev/shm/shmark.{}:{:016x}.redis", owner.space().view(), unpredictable_number());
  SHMARK_ASSIGN_OR_RETURN(auto process, command::start(words_for(socket), {}));
  auto started = std::make_unique<server>(std::move(process), std::move(socket));
  SHMARK_RETURN_IF_ERROR(await(*started));
  return redis_store(std::move(started));
}

auto redis_store::attach() const -> std::expected<handle, error> {
  SHMARK_ASSIGN_OR_RETURN(auto to, connect(server_->socket));
  return handle(std::move(to));
}

auto redis_store::handle::ask(std::span<const std::string_view> words)
    -> std::expected<answer, error> {
  constexpr auto* attempted = "ask";
  constexpr std::size_t most = 3;
  std::array<const char*, most> texts{};
  std::array<std::size_t, most> sizes{};
  std::ranges::transform(words, texts.begin(), &std::string_view::data);
  std::ranges::transform(words, sizes.begin(), &std::string_view::size);
  answer got(static_cast<redisReply*>(
      redisCommandArgv(to_.get(), static_cast<int>(words.size()), texts.data(), sizes.data())));
  if (got == nullptr) [[unlikely]]
    return failure(errc::system, attempted, name, because{to_->errstr});
  if (got->type == REDIS_REPLY_ERROR) [[unlikely]]
    return failure(errc::system, attempted, name, because{std::string_view(got->str, got->len)});
  return got;
}

std::expected<void, error> redis_store::handle::write(std::span<const std::byte> value) {
  const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
  SHMARK_RETURN_IF_ERROR(ask(std::array<std::string_view, 3>{"SET", key, text}));
  return {};
}

}  // namespace shmark
