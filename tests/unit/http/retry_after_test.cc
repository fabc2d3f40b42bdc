#include "http/retry_after.h"

#include <gtest/gtest.h>

namespace banyan::http {
namespace {

using namespace std::chrono_literals;

// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 section 5.6.7.
const WallTime kThen = std::chrono::system_clock::from_time_t(784111777);

TEST(RetryAfter, Seconds) {
  EXPECT_EQ(parse_retry_after("0", kThen), 0s);
  EXPECT_EQ(parse_retry_after("120", kThen), 120s);
  EXPECT_EQ(parse_retry_after("99999999999999999999999999", kThen), 1'000'000'000s);
}

TEST(RetryAfter, DatesInAllThreeFormats) {
  for (const char* date :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_retry_after(date, kThen - 90s), 90s) << date;
    EXPECT_EQ(parse_retry_after(date, kThen - 1ms), 1s) << date;
    EXPECT_EQ(parse_retry_after(date, kThen + 90s), 0s) << date;
  }
}

TEST(RetryAfter, DatesTheClockCannotSay) {
  EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", kThen), 1'000'000'000s);
  EXPECT_EQ(parse_retry_after("Mon, 01 Jan 0001 00:00:00 GMT", kThen), 0s);
}

TEST(RetryAfter, AnythingElseIsNothing) {
  for (const char* bad : {"", "-1", "+1", "1.5", "1s", "soon", "Sun, 06 Nov 1994 08:49:37 GMT+1",
                          "Sun, 06 Nov 1994 08:49:37", "0x10", "1 "}) {
    EXPECT_FALSE(parse_retry_after(bad, kThen)) << bad;
  }
}

}  // namespace
}  // namespace banyan::http
