#include "reports/paths.h"

#include <system_error>

#include "lib/result/result.h"

namespace shmark::reports {

std::expected<void, error> check_not_read(const std::string& out,
                                          const std::vector<std::string>& read,
                                          const char* attempted) {
  for (const std::string& each : read) {
    std::error_code not_there;
    if (std::filesystem::equivalent(result::caller_path(out), result::caller_path(each),
                                    not_there)) {
      return failure(errc::exists, attempted, out,
                     "it is a result file that is read: give another name");
    }
  }
  return {};
}

}  // namespace shmark::reports
