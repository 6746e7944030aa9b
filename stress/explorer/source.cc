#include "stress/explorer/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <sstream>
#include <utility>

#include "lib/base/descriptor.h"

namespace shmark::explorer {
namespace {

std::string our_path() {
  std::string path(4096, '\0');
  const auto length = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return path;
}

std::string all_of(int file) {
  std::string text;
  for (char part[65536];;) {
    const auto count = read(file, part, sizeof part);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(part, static_cast<std::size_t>(count));
  }
}

// Where this program's own instructions lie: not those by which it calls libraries.
struct image {
  std::uint64_t base = 0;  // what is to be taken from an address for one in the file
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

image our_image() {
  image ours;
  dl_iterate_phdr(  // the first is the program itself
      [](dl_phdr_info* info, std::size_t, void* to) {
        static_cast<image*>(to)->base = info->dlpi_addr;
        return 1;
      },
      &ours);
  const descriptor file(open(our_path().c_str(), O_RDONLY | O_CLOEXEC));
  const std::string bytes = file ? all_of(file.number()) : "";
  const auto part = [&]<class T>(std::uint64_t at, T) {
    T value{};
    if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  };
  const auto head = part(0, ElfW(Ehdr){});
  const auto section = [&](std::uint64_t index) {
    return part(head.e_shoff + index * sizeof(ElfW(Shdr)), ElfW(Shdr){});
  };
  const auto names = section(head.e_shstrndx);
  for (std::uint64_t i = 0; i < head.e_shnum; ++i) {
    const auto each = section(i);
    const std::uint64_t name = names.sh_offset + each.sh_name;
    if (name >= bytes.size() || bytes.compare(name, 6, std::string_view(".text\0", 6)) != 0)
      continue;
    ours.begin = ours.base + each.sh_addr;
    ours.end = ours.begin + each.sh_size;
  }
  return ours;
}

// What a program prints when it is given this to read; nothing if it cannot be run.
std::string output_of(std::vector<std::string> command, const std::string& input) {
  const descriptor from(memfd_create("input", MFD_CLOEXEC));
  int ends[2];
  if (!from || pipe2(ends, O_CLOEXEC) != 0) return {};
  const descriptor out(ends[0]);
  descriptor in(ends[1]);
  if (write(from.number(), input.data(), input.size()) < 0) return {};
  lseek(from.number(), 0, SEEK_SET);
  std::vector<char*> words;
  for (auto& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return {};
  if (child == 0) {
    dup2(from.number(), STDIN_FILENO);
    dup2(in.number(), STDOUT_FILENO);
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    execvp(words[0], words.data());
    _exit(127);
  }
  in = descriptor();
  std::string text = all_of(out.number());
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return text;
}

// "lib/lock/robust_rw.cc" of "/proc/self/cwd/lib/lock/robust_rw.cc" and the like.
std::string in_workspace(std::string_view path) {
  for (const std::string_view top : {"/lib/", "/stress/", "/tests/"}) {
    if (const auto at = path.rfind(top); at != std::string_view::npos) {
      return std::string(path.substr(at + 1));
    }
  }
  return std::string(path.substr(0, path.starts_with("./") ? 2 : 0).empty() ? path
                                                                            : path.substr(2));
}

// Without what it returns, its arguments and template arguments.
std::string short_name(std::string_view full) {
  full = full.substr(0, full.find("::{lambda"));  // whose it is tells enough
  std::string name;
  int depth = 0;
  for (std::size_t at = 0; at < full.size(); ++at) {
    constexpr std::string_view unnamed = "(anonymous namespace)::";
    if (full.substr(at).starts_with(unnamed)) {
      at += unnamed.size() - 1;
      continue;
    }
    const char c = full[at];
    if (c == '(' && depth == 0) break;
    if (c == '<') ++depth;
    if (depth == 0) name += c;
    if (c == '>' && depth > 0) --depth;
  }
  if (const auto blank = name.rfind(' '); blank != std::string::npos) name.erase(0, blank + 1);
  constexpr std::string_view ours = "shmark::";
  if (name.starts_with(ours)) name.erase(0, ours.size());
  return name;
}

std::optional<source_line> parse_line(std::string_view text) {
  text = text.substr(0, text.find(' '));  // "(discriminator 2)"
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  source_line line{in_workspace(text.substr(0, colon)), 0};
  const auto digits = text.substr(colon + 1);
  std::from_chars(digits.data(), digits.data() + digits.size(), line.number);
  return line;
}

constexpr std::string_view base_name(std::string_view path) noexcept {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

sources::sources(const std::set<std::uint64_t>& addresses) {
  const image ours = our_image();
  std::string asked;
  for (const auto address : addresses) {
    if (is_our_code(address)) asked += fmt::format("{:#x}\n", address - ours.base);
  }
  if (asked.empty()) return;
  std::istringstream answer(
      output_of({"addr2line", "-e", our_path(), "-a", "-i", "-f", "-C"}, asked));
  // An address, and then pairs of lines: a function, and where.
  origins* to = nullptr;
  for (std::string line; std::getline(answer, line);) {
    if (line.starts_with("0x")) {
      to = &known_[std::stoull(line, nullptr, 16) + ours.base];
      continue;
    }
    std::string where;
    std::getline(answer, where);
    const auto at = parse_line(where);
    if (to != nullptr && at) to->push_back({short_name(line), *at});
  }
}

const origins& sources::of(std::uint64_t address) const noexcept {
  static const origins none;
  const auto found = known_.find(address);
  return found == known_.end() ? none : found->second;
}

origin sources::innermost_in(std::uint64_t address, std::span<const std::string_view> files) const {
  const auto& all = of(address);
  for (const auto& each : all) {
    if (std::ranges::find(files, each.line.file) != files.end()) return each;
  }
  for (const std::string_view folder : {"lib/", "stress/"}) {
    for (const auto& each : all) {
      if (each.line.file.starts_with(folder)) return each;
    }
  }
  return all.empty() ? origin{} : all.front();
}

bool is_our_code(std::uint64_t address) {
  static const image ours = our_image();
  return address >= ours.begin && address < ours.end;
}

std::set<source_line> lines_with_code(std::string_view folder) {
  std::set<source_line> all;
  std::istringstream table(output_of({"objdump", "-w", "--dwarf=decodedline", our_path()}, ""));
  // "lib/store/store.h:", then rows: the file's name, the line's number, the address, and more.
  std::string file;
  for (std::string row; std::getline(table, row);) {
    constexpr std::string_view unit = "CU: ";
    if (row.ends_with(':')) {
      const auto from = row.starts_with(unit) ? unit.size() : 0;
      file = in_workspace(std::string_view(row).substr(from, row.size() - from - 1));
      continue;
    }
    if (!file.starts_with(folder)) continue;
    std::istringstream columns(row);
    std::string name;
    int number = 0;
    if (!(columns >> name >> number) || number <= 0) continue;
    if (name == base_name(file)) all.insert({file, number});
  }
  return all;
}

}  // namespace shmark::explorer
