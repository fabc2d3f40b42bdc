#include "process/heap_trim.h"

#include <gtest/gtest.h>

#include <ctime>
#include <memory>
#include <vector>

#include "base/sanitized.h"
#include "event/loop.h"

namespace banyan::process {
namespace {

constexpr size_t kPiece = 8 * 1024;
constexpr size_t kPieces = 8 * HeapTrim::kWorthIt / kPiece;

class HeapTrimTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "the sanitizer's heap is not the C library's";
  }
  // A peak: what lives on lies above what is freed, which the C library then does not give back by itself.
  void peak() {
    std::vector<std::unique_ptr<char[]>> pieces;
    for (size_t i = 0; i < kPieces; ++i) {
      pieces.push_back(std::make_unique<char[]>(kPiece));
      for (size_t at = 0; at < kPiece; at += 1024) pieces.back()[at] = 1;
    }
    lives_on_.push_back(std::make_unique<char[]>(kPiece));
  }
  // One of its seconds, with what a trim that it began has to say.
  void second() {
    heap_.on_second();
    watch_.start(Millis(30));
    loop_.run();
  }
  void on_watch() { loop_.stop(); }

  event::Loop loop_;
  event::ThreadPool pool_{loop_, 1};
  ResidentMemory memory_;
  HeapTrim heap_{pool_, memory_};
  event::Timer watch_{loop_, Callback::to<&HeapTrimTest::on_watch>(this)};
  std::vector<std::unique_ptr<char[]>> lives_on_;
};

TEST_F(HeapTrimTest, APeakIsGivenBackInAQuietSecond) {
  second();
  const uint64_t before = memory_.bytes();
  peak();
  ASSERT_GT(memory_.bytes(), before + 4 * HeapTrim::kWorthIt) << "the C library keeps it";
  for (int i = 0; i < 50 && memory_.bytes() >= before + HeapTrim::kWorthIt; ++i) second();
  EXPECT_LT(memory_.bytes(), before + HeapTrim::kWorthIt);
}

TEST_F(HeapTrimTest, ABusyProcessKeepsItUntilItsLimit) {
  second();
  const uint64_t before = memory_.bytes();
  peak();
  const auto busy_second = [this] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    const auto end = time.tv_sec * 1'000'000'000 + time.tv_nsec + 300'000'000;
    while (time.tv_sec * 1'000'000'000 + time.tv_nsec < end) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    second();
  };
  for (int i = 0; i < 3; ++i) busy_second();
  EXPECT_GT(memory_.bytes(), before + 4 * HeapTrim::kWorthIt);
  heap_.set_limit(before + HeapTrim::kWorthIt);
  for (int i = 0; i < 10 && memory_.bytes() >= before + HeapTrim::kWorthIt; ++i) busy_second();
  EXPECT_LT(memory_.bytes(), before + HeapTrim::kWorthIt);
}

TEST_F(HeapTrimTest, WhatIsInUseIsAskedForAgainUntilItIsFree) {
  second();
  const uint64_t before = memory_.bytes();
  std::vector<std::unique_ptr<char[]>> in_use;
  for (size_t i = 0; i < kPieces; ++i) in_use.push_back(std::make_unique<char[]>(kPiece));
  for (auto& piece : in_use) piece[0] = piece[kPiece / 2] = 1;
  lives_on_.push_back(std::make_unique<char[]>(kPiece));
  for (int i = 0; i < 8; ++i) second();
  ASSERT_GT(memory_.bytes(), before + 4 * HeapTrim::kWorthIt);
  in_use.clear();
  for (int i = 0; i < 70 && memory_.bytes() >= before + HeapTrim::kWorthIt; ++i) second();
  EXPECT_LT(memory_.bytes(), before + HeapTrim::kWorthIt) << "it has not given up";
}

}  // namespace
}  // namespace banyan::process
