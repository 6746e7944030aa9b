// A program of stress/ as a user starts it, in a folder of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child.h"

namespace shmark {

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What a run, "run-…", has in /dev/shm.
inline std::set<std::string> objects_of(const std::string& run) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    if (contains(entry.path().filename().string(), run)) names.insert(entry.path().filename());
  }
  return names;
}

class program_test : public ::testing::Test {
 protected:
  // `name` is what its complaints begin with, `path` where Bazel puts it.
  program_test(std::string name, std::string path)
      : name_(std::move(name)),
        path_(std::move(path)),
        folder_(std::filesystem::path(::testing::TempDir()) /
                (name_ + '.' + ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(folder_);
  }
  ~program_test() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] support::child start(std::vector<std::string> arguments) const {
    return support::child::start([&] {
      redirect(STDOUT_FILENO, folder_ / "out");
      redirect(STDERR_FILENO, folder_ / "err");
      std::vector<char*> words{const_cast<char*>(path_.c_str())};
      for (auto& each : arguments) words.push_back(each.data());
      words.push_back(nullptr);
      execv(path_.c_str(), words.data());
      _exit(127);
    });
  }
  [[nodiscard]] support::ending run(const std::vector<std::string>& arguments) const {
    return start(arguments).wait();
  }
  [[nodiscard]] std::string out() const { return contents(folder_ / "out"); }
  [[nodiscard]] std::string err() const { return contents(folder_ / "err"); }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  void expect_complaint(const std::vector<std::string>& arguments, const std::string& about) const {
    EXPECT_EQ(run(arguments), support::exited(2)) << about;
    EXPECT_EQ(out(), "");
    EXPECT_TRUE(contains(err(), about)) << err();
    EXPECT_TRUE(err().starts_with(name_ + ": ") && err().find('\n') == err().size() - 1)
        << "not one line: " << err();
  }

 private:
  static void redirect(int number, const std::filesystem::path& to) {
    const int file = open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, number);
    close(file);
  }

  std::string name_;
  std::string path_;
  std::filesystem::path folder_;
};

}  // namespace shmark
