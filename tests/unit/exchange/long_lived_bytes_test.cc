#include "exchange/long_lived_bytes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace banyan::exchange {
namespace {

std::string frame(uint8_t first, uint64_t size, bool masked) {
  std::string bytes(1, static_cast<char>(first));
  const char mask = masked ? '\x80' : '\0';
  const auto digits = [&](int count) {
    for (int i = count - 1; i >= 0; --i) bytes += static_cast<char>(size >> (8 * i));
  };
  if (size < 126) {
    bytes += static_cast<char>(mask | static_cast<char>(size));
  } else if (size < 65536) {
    bytes += static_cast<char>(mask | 126);
    digits(2);
  } else {
    bytes += static_cast<char>(mask | 127);
    digits(8);
  }
  if (masked) bytes += "mask";
  return bytes + std::string(size, '\x88');  // a payload that looks like close frames
}

// The places at which a tracker says "boundary" when it is fed in pieces of that size.
template <class Tracker>
std::vector<size_t> boundaries(std::string_view bytes, size_t piece, Tracker& tracker) {
  std::vector<size_t> places;
  for (size_t begin = 0; begin < bytes.size(); begin += piece) {
    const std::string_view part = bytes.substr(begin, piece);
    size_t fed = 0;
    while (fed < part.size()) {
      const size_t used = tracker.feed(part.substr(fed));
      EXPECT_GT(used, 0u);
      fed += used;
      if (tracker.at_boundary()) places.push_back(begin + fed);
    }
  }
  return places;
}

TEST(FrameTracker, FindsTheEndsOfFramesHoweverTheyArrive) {
  for (const bool masked : {false, true}) {
    std::string bytes;
    std::vector<size_t> ends;
    for (const uint64_t size : {0ul, 1ul, 125ul, 126ul, 127ul, 65535ul, 65536ul, 70000ul, 0ul}) {
      bytes += frame(0x82, size, masked);
      ends.push_back(bytes.size());
    }
    for (const size_t piece : {1ul, 2ul, 3ul, 7ul, 1000ul, 1000000ul}) {
      FrameTracker tracker;
      EXPECT_TRUE(tracker.at_boundary());
      EXPECT_EQ(boundaries(bytes, piece, tracker), ends) << piece;
      EXPECT_FALSE(tracker.closing());
    }
  }
}

TEST(FrameTracker, SeesACloseFrameAndNoOther) {
  FrameTracker tracker;
  for (const uint8_t first : {0x81, 0x02, 0x80, 0x89, 0x8a}) tracker.feed(frame(first, 3, false));
  EXPECT_FALSE(tracker.closing());
  tracker.feed(frame(0x88, 2, false));
  EXPECT_TRUE(tracker.closing());
}

TEST(FrameTracker, LetsThroughWhatBreaksTheRules) {
  FrameTracker tracker;
  const std::string bytes = frame(0x82, 3, false) + frame(0xa2, 3, false) + frame(0x82, 3, false);
  EXPECT_EQ(boundaries(bytes, 4, tracker), std::vector<size_t>{5});
  EXPECT_FALSE(tracker.at_boundary());
}

TEST(EventTracker, ABoundaryIsWhereNoFieldWaitsForItsBlankLine) {
  struct Case {
    std::string_view bytes;
    bool boundary;
  };
  for (const Case& c : std::vector<Case>{{"", true},
                                         {"data: x", false},
                                         {"data: x\n", false},
                                         {"data: x\n\n", true},
                                         {"data: x\r\n\r\n", true},
                                         {"data: x\r\r", true},
                                         {"data: x\r\n", false},
                                         {": ping\n", true},
                                         {": pin", false},
                                         {"id: 1\n: ping\n", false},
                                         {"id: 1\n: ping\n\n", true},
                                         {"\n", true},
                                         {"data: x\n\ndata", false}}) {
    for (const size_t piece : {1ul, 2ul, 100ul}) {
      EventTracker tracker;
      boundaries(c.bytes, piece, tracker);
      EXPECT_EQ(tracker.at_boundary(), c.boundary) << c.bytes << ' ' << piece;
    }
  }
}

TEST(EventTracker, StopsAtTheFirstBoundary) {
  EventTracker tracker;
  EXPECT_EQ(tracker.feed("data: 1\n\ndata: 2\n\n"), 9u);
  EXPECT_EQ(tracker.feed("data: 2\n\n"), 9u);
}

}  // namespace
}  // namespace banyan::exchange
