#include "lib/result/result.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "lib/base/descriptor.h"

namespace shmark::result {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// A folder of the test's own, empty at its start and gone at its end.
class Result : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path file(const std::string& name) const { return folder_ / name; }

  fs::path save(const std::string& text) const {
    std::ofstream(file("a.json")) << text;
    return file("a.json");
  }

  // The message that reading this text gives, or "read" if it is read.
  [[nodiscard]] std::string message_for(const std::string& text) const {
    const auto run = read(save(text));
    return run ? "read" : run.error().message();
  }

  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  fs::path folder_;
};

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

entry full_entry() {
  return {.name = "Lock/lock:robust_rw/mode:exclusive/procs:4",
          .run_name = "Lock/lock:robust_rw/mode:exclusive/procs:4",
          .family_index = 2,
          .per_family_instance_index = 7,
          .repetitions = 3,
          .repetition_index = 1,
          .iterations = 123456789012,
          .real_time = 15.25,
          .cpu_time = 30.5,
          .label = "say \"what\" </script>",
          .counters = {{"ops_per_s", 65.5e6}, {"p50_ns", 14}, {"jain", 0.98}},
          .worker_ops_per_s = {1.5e6, 2.5e6},
          .durations = histogram{.time_every = 64, .buckets = {{8, 100}, {16, 20}, {1024, 1}}}};
}

entry stress_entry() {
  return {.name = "Stress/scenario:transfer/workers:8",
          .run_name = "Stress/scenario:transfer/workers:8",
          .iterations = 1000,
          .real_time = 812,
          .counters = {{"kills", 42}, {"lost", 0}},
          .stress = stress_outcome{
              .verdict = verdict_kind::vacuous,
              .seed = std::numeric_limits<std::uint64_t>::max(),
              .command = "stress --seed=18446744073709551615",
              .findings = {"worker 1 read a \"torn\" value", "left behind: /dev/shm/a <b>"}}};
}

run full_run() {
  run run;
  run.about = {.date = "2030-01-02T03:04:05+00:00",
               .host_name = "host",
               .executable = "/bin/bench",
               .num_cpus = 4,
               .mhz_per_cpu = 2300,
               .cpu_scaling_enabled = true,
               .caches = {{"Data", 1, 49152, 1}, {"Unified", 3, 1u << 25, 4}},
               .load_avg = {0.5, 0.25, 0.125},
               .library_build_type = "release",
               .given = {{"branch", "main"}, {"note", "say \"what\" </script>"}},
               .kind = run_kind::stress,
               .command = "bench --out='a b'",
               .commit = "0123456789abcdef0123456789abcdef01234567+dirty",
               .build = {build_mode::debug, "gcc 12.2.0", sanitizer_kind::thread},
               .machine = {"A processor", 2, "6.1.0", "0123456789abcdef"},
               .workers_are = worker_kind::threads,
               .seed = 7,
               .probe_ns = 10.25,
               .missing = {{"Store/store:lmdb", "liblmdb is not there: tools/setup --peers"},
                           {"External/worker:mine/op:read/procs:2", "it \"ended\""}},
               .calibration = calibration_info{.empty_loop_ns = 0.25,
                                               .clock_ns = 21.5,
                                               .null_lock_ns = 0.5,
                                               .aa_spread_percent_single = 1.25,
                                               .aa_spread_percent_contended = 4,
                                               .warnings = {"the load is 7", "a debug build"}}};
  entry aggregate = full_entry();
  aggregate.name += "_median";
  aggregate.aggregate_name = "median";
  entry failed = full_entry();
  failed.error_message = "worker 3 died";
  run.entries = {full_entry(), stress_entry(), aggregate, failed};
  return run;
}

TEST_F(Result, ReadsBackWhatItWrote) {
  const run written = full_run();
  ASSERT_TRUE(write(file("out.json"), written));
  const auto again = read(file("out.json"));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, written);
}

// As of a run that found nothing, and from a version that did not write them.
TEST_F(Result, ReadsStressEntriesWithoutFindings) {
  auto document = nlohmann::json::parse(to_json(full_run()));
  EXPECT_EQ(document["benchmarks"][1].erase("findings"), 1u);
  const auto run = read(save(document.dump()));
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_TRUE(run->entries[1].stress->findings.empty());
  EXPECT_FALSE(nlohmann::json::parse(to_json(*run))["benchmarks"][1].contains("findings"));
}

// As of a run that began without a calibration, lacked nothing, or is of an older version.
TEST_F(Result, ReadsContextsWithoutCalibrationAndMissingBenchmarks) {
  run plain = full_run();
  plain.about.missing.clear();
  plain.about.calibration.reset();
  const auto text = to_json(plain);
  for (const char* key : {"missing", "calibration"}) {
    EXPECT_FALSE(nlohmann::json::parse(text)["context"]["shmark"].contains(key));
  }
  const auto again = read(save(text));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, plain);
}

TEST_F(Result, LeavesNothingBesideTheFile) {
  ASSERT_TRUE(write(file("out.json"), full_run()));
  ASSERT_TRUE(write(file("out.json"), full_run()));
  EXPECT_EQ(files(), 1u);
}

TEST_F(Result, IsStrictJsonWhateverWasMeasured) {
  run run = full_run();
  run.about.probe_ns = nan;
  run.about.load_avg = {infinity};
  run.about.calibration->aa_spread_percent_contended = nan;
  run.entries = {full_entry(), full_entry()};
  run.entries[0].counters["jain"] = nan;
  run.entries[0].worker_ops_per_s = {infinity};
  run.entries[1].real_time = -infinity;
  run.entries[1].name = "not \xff UTF-8";
  // Unlike many readers, this one refuses NaN and Infinity.
  const auto document = nlohmann::json::parse(to_json(run));
  const auto& benchmarks = document["benchmarks"];
  EXPECT_EQ(document["context"]["shmark"]["calibration"]["aa_spread_percent"]["contended"], 0);
  EXPECT_FALSE(benchmarks[0].contains("jain"));
  EXPECT_EQ(benchmarks[0]["p50_ns"], 14);
  EXPECT_EQ(benchmarks[1]["error_occurred"], true);
  EXPECT_EQ(benchmarks[1]["name"], "not \uFFFD UTF-8");
}

TEST_F(Result, NeverLetsACounterHideAKeyOfTheSchema) {
  run run = full_run();
  run.entries = {full_entry()};
  run.entries[0].counters["real_time"] = 1;
  EXPECT_EQ(nlohmann::json::parse(to_json(run))["benchmarks"][0]["real_time"], 15.25);
}

TEST_F(Result, NeverLetsGivenContextHideAKeyOfTheSchema) {
  run run = full_run();
  for (const char* key : {"date", "num_cpus", "caches", "shmark"}) run.about.given[key] = "mine";
  const auto again = read(save(to_json(run)));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->about, full_run().about);
  EXPECT_TRUE(is_context_key("shmark"));
  EXPECT_FALSE(is_context_key("branch"));
}

TEST_F(Result, ConvertsTimesToNanoseconds) {
  entry entry{.name = "a", .real_time = 2};
  EXPECT_EQ(entry.real_time_ns(), 2);
  entry.time_unit = "us";
  EXPECT_EQ(entry.real_time_ns(), 2e3);
  entry.time_unit = "ms";
  EXPECT_EQ(entry.real_time_ns(), 2e6);
  entry.time_unit = "s";
  EXPECT_EQ(entry.real_time_ns(), 2e9);
}

TEST_F(Result, ReadsGoogleBenchmarksOwnFiles) {
  const auto run = read(save(R"({
    "context": {"date": "2016-08-02 17:44:46", "num_cpus": 4, "mhz_per_cpu": 4228,
                "cpu_scaling_enabled": false, "library_build_type": "release"},
    "benchmarks": [
      {"name": "BM_Sort/64", "iterations": 1000, "real_time": 1.5, "cpu_time": 1,
       "time_unit": "us", "bytes_per_second": 12, "seed": 5, "label": "x"},
      {"name": "BM_Sort_BigO", "run_name": "BM_Sort", "run_type": "aggregate",
       "aggregate_name": "BigO", "cpu_coefficient": 1, "real_coefficient": 2, "big_o": "N",
       "time_unit": "ns"},
      {"name": "BM_Fails", "error_occurred": true, "error_message": "no disk"}]})"));
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->about.schema, 0);
  EXPECT_EQ(run->about.num_cpus, 4);
  ASSERT_EQ(run->entries.size(), 2u);
  EXPECT_EQ(run->entries[0].real_time_ns(), 1500);
  EXPECT_EQ(run->entries[0].counter("bytes_per_second"), 12);
  EXPECT_EQ(run->entries[0].counter("seed"), 5);
  EXPECT_EQ(run->entries[0].counter("iterations"), std::nullopt);
  EXPECT_EQ(run->entries[1].error_message, "no disk");
}

TEST_F(Result, SaysWhereAFileStopsBeingJson) {
  const auto message = message_for("{\"context\": {},\n \"benchmarks\": [nan]}");
  EXPECT_TRUE(message.starts_with("cannot read result file ")) << message;
  EXPECT_TRUE(
      message.ends_with("/a.json:2:18: its contents are damaged; it is not JSON from there on: "
                        "give a file that --out= or --benchmark_out= wrote"))
      << message;
  EXPECT_NE(message_for("int main() {}").find("a.json:1:1:"), std::string::npos);
  EXPECT_NE(message_for("").find("a.json: it is empty"), std::string::npos);
  EXPECT_NE(message_for(" \n").find("a.json: it is empty"), std::string::npos);
  EXPECT_NE(message_for(R"({"context": {"num_cpus": 1e999}})").find("no double can hold"),
            std::string::npos);
}

TEST_F(Result, NamesTheKeyThatIsMissingOrWrong) {
  const auto good = nlohmann::json::parse(to_json(full_run()));
  const auto expect = [&](const char* pointer, const nlohmann::json& value, const char* expected) {
    auto bad = good;
    const nlohmann::json::json_pointer at(pointer);
    if (value.is_discarded()) {
      bad[at.parent_pointer()].erase(at.back());
    } else {
      bad[at] = value;
    }
    const std::string message = message_for(bad.dump());
    EXPECT_NE(message.find(std::string("a.json: ") + expected), std::string::npos)
        << pointer << ": " << message;
  };
  const nlohmann::json gone(nlohmann::json::value_t::discarded);
  expect("/context", gone, "context is missing");
  expect("/benchmarks", gone, "benchmarks is missing");
  expect("/benchmarks", 3, "benchmarks is 3, not an array");
  expect("/benchmarks/1", "x", "benchmarks[1] is a string, not an object");
  expect("/benchmarks/0/name", gone, "benchmarks[0].name is missing");
  expect("/benchmarks/0/real_time", gone, "benchmarks[0].real_time is missing");
  expect("/benchmarks/0/real_time", "15", "benchmarks[0].real_time is a string, not a number");
  expect("/benchmarks/0/real_time", nullptr, "benchmarks[0].real_time is null, not a number");
  expect("/benchmarks/0/iterations", -1, "benchmarks[0].iterations is -1, not a whole number");
  expect("/benchmarks/0/time_unit", "h", "benchmarks[0].time_unit is a string, not ns, us, ms");
  expect("/benchmarks/0/threads", 1u << 31, "benchmarks[0].threads is 2147483648, not a whole");
  expect("/benchmarks/0/shmark/histogram/buckets/1", nlohmann::json::array({1}),
         "benchmarks[0].shmark.histogram.buckets[1] is an array, not [lower_ns, count]");
  expect("/benchmarks/0/shmark/histogram/buckets/1/0", 8,
         "benchmarks[0].shmark.histogram.buckets[1][0] is 8, not above the bucket before");
  expect("/benchmarks/1/verdict", "ok", "benchmarks[1].verdict is \"ok\"");
  expect("/benchmarks/1/command", gone, "benchmarks[1].command is missing");
  expect("/benchmarks/1/findings", "torn", "benchmarks[1].findings is a string, not an array");
  expect("/benchmarks/1/findings/1", 7, "benchmarks[1].findings[1] is 7, not a string");
  expect("/context/cpu_scaling_enabled", 1, "context.cpu_scaling_enabled is 1, not true or false");
  expect("/context/shmark/kind", "party", "context.shmark.kind is \"party\"");
  expect("/context/shmark/machine/cores", gone, "context.shmark.machine.cores is missing");
  expect("/context/shmark/build", gone, "context.shmark.build is missing");
  expect("/context/shmark/missing/1/why", gone, "context.shmark.missing[1].why is missing");
  expect("/context/shmark/missing", "all", "context.shmark.missing is a string, not an array");
  const std::string calibration = "context.shmark.calibration";
  expect("/context/shmark/calibration/clock_ns", gone,
         (calibration + ".clock_ns is missing").c_str());
  expect("/context/shmark/calibration/aa_spread_percent/single", "1",
         (calibration + ".aa_spread_percent.single is a string, not a number").c_str());
  expect("/context/shmark/calibration/warnings/0", 1,
         (calibration + ".warnings[0] is 1, not a string").c_str());
}

TEST_F(Result, RefusesASchemaThatItDoesNotKnow) {
  auto document = nlohmann::json::parse(to_json(full_run()));
  document["context"]["shmark"]["schema"] = 2;
  const auto run = read(save(document.dump()));
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, errc::mismatch);
  EXPECT_NE(run.error().message().find("a.json: schema 2"), std::string::npos);
  EXPECT_NE(run.error().message().find("reads schema 1"), std::string::npos);
}

TEST_F(Result, RefusesEveryFileThatWasCutOff) {
  run small = full_run();
  small.entries.resize(1);
  std::string text = to_json(small);
  text.resize(text.find_last_of('}'));
  for (; !text.empty(); text.pop_back()) {
    EXPECT_NE(message_for(text), "read") << text.size();
  }
}

// What comes out does not matter; sanitizers watch.
TEST_F(Result, SurvivesEveryDamagedByte) {
  run small = full_run();
  small.entries.resize(1);
  const std::string text = to_json(small);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = "\"9\xff"[i % 3];
    EXPECT_FALSE(message_for(damaged).empty());
  }
}

TEST_F(Result, NamesAFileThatIsNotThere) {
  const auto run = read(file("nothing.json"));
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, errc::not_found);
  EXPECT_NE(run.error().message().find("nothing.json"), std::string::npos);
}

TEST_F(Result, SaysThatAFolderIsNoFile) {
  const auto run = read(folder_);
  ASSERT_FALSE(run);
  EXPECT_NE(run.error().message().find("that is a folder"), std::string::npos);
  const auto written = write(folder_, full_run());
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message().find("that is a folder"), std::string::npos);
}

TEST_F(Result, NamesADamagedFileAsItWasGiven) {
  for (const std::string folder : {"old", "new"}) {
    fs::create_directory(file(folder));
    std::ofstream(file(folder + "/bench.json")) << "";
    const auto run = read(file(folder + "/bench.json"));
    ASSERT_FALSE(run);
    EXPECT_NE(run.error().message().find(folder + "/bench.json: it is empty"), std::string::npos)
        << run.error().message();
  }
}

TEST_F(Result, DoesNotMakeFolders) {
  const auto done = write(file("no/such/out.json"), full_run());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::not_found);
  EXPECT_NE(done.error().message().find("create its folder first"), std::string::npos);
}

// As /dev/null and /dev/stdout are none either; on those a mistake would hurt the whole machine.
TEST_F(Result, WritesToWhatIsNoRegularFileWithoutReplacingIt) {
  const fs::path pipe = file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const descriptor reader(::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  ASSERT_TRUE(write_text(pipe, "new", "write text"));
  EXPECT_TRUE(fs::is_fifo(pipe));
  std::array<char, 8> text{};
  EXPECT_EQ(::read(reader.number(), text.data(), text.size()), 3);
  EXPECT_STREQ(text.data(), "new");
}

TEST_F(Result, WritesThroughASymbolicLink) {
  std::ofstream(file("target")) << "old";
  fs::create_symlink("target", file("link"));
  ASSERT_TRUE(write_text(file("link"), "new", "write text"));
  EXPECT_TRUE(fs::is_symlink(file("link")));
  EXPECT_EQ(contents(file("target")), "new");
}

TEST_F(Result, WritesThroughSymbolicLinksToAFileThatIsNotThereYet) {
  fs::create_directory(file("folder"));
  fs::create_symlink("folder/second", file("first"));
  fs::create_symlink("../target", file("folder/second"));
  EXPECT_TRUE(check_writable(file("first")));
  ASSERT_TRUE(write_text(file("first"), "new", "write text"));
  EXPECT_TRUE(fs::is_symlink(file("first")) && fs::is_symlink(file("folder/second")));
  EXPECT_EQ(contents(file("target")), "new");
}

// A regression: what was checked was the link's folder, and what was written to the target's.
TEST_F(Result, SaysBeforehandThatASymbolicLinkLeadsToWhereItCannotWrite) {
  fs::create_symlink("no/such/folder/x.json", file("lost"));
  fs::create_symlink("/proc/version", file("system"));
  fs::create_symlink("circle", file("circle"));
  for (const std::string name : {"lost", "system", "circle"}) {
    const auto possible = check_writable(file(name));
    ASSERT_FALSE(possible) << name;
    const auto written = write_text(file(name), "new", "write result file");
    ASSERT_FALSE(written) << name;
    EXPECT_EQ(possible.error().message(), written.error().message());
    EXPECT_TRUE(fs::is_symlink(file(name)));
  }
  EXPECT_NE(check_writable(file("lost")).error().message().find("create its folder first"),
            std::string::npos);
  EXPECT_NE(check_writable(file("system")).error().message().find("/proc/version: "),
            std::string::npos);
}

TEST_F(Result, KeepsTheOldFileWhenWritingFails) {
  // The temporary file's name would be longer than names may be.
  const fs::path long_name = file(std::string(255, 'x'));
  std::ofstream(long_name) << "old";
  ASSERT_FALSE(write_text(long_name, "new", "write text"));
  EXPECT_EQ(contents(long_name), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(Result, TakesPathsAsTheCallerMeansThem) {
  ::unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(caller_path("a.json"), "a.json");
  ::setenv("BUILD_WORKING_DIRECTORY", "/where/i/am", 1);
  EXPECT_EQ(caller_path("a.json"), "/where/i/am/a.json");
  EXPECT_EQ(caller_path("/tmp/a.json"), "/tmp/a.json");
  EXPECT_EQ(caller_path(""), "");
  ::unsetenv("BUILD_WORKING_DIRECTORY");
}

}  // namespace
}  // namespace shmark::result
