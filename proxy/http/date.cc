#include "http/date.h"

#include <ctime>
#include <string>

#include "base/utc.h"

namespace banyan::http {

// The program never leaves the C locale, so the names of days and months are the English ones.
std::optional<WallTime> parse_date(std::string_view text) {
  const std::string copy(text);
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* end = strptime(copy.c_str(), format, &parts);
    if (end && *end == '\0') return from_utc(parts);
  }
  return std::nullopt;
}

}  // namespace banyan::http
