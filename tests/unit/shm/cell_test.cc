#include "shm/cell.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "shm/segment.h"

namespace banyan::shm {
namespace {

// All members equal: a torn read shows at once.
struct Value {
  std::array<uint64_t, 9> words;
  static Value of(uint64_t number) {
    Value value;
    value.words.fill(number);
    return value;
  }
  bool whole() const {
    for (uint64_t word : words) {
      if (word != words[0]) return false;
    }
    return true;
  }
};

class CellTest : public testing::Test {
 protected:
  Segment segment_ = Segment::create().value();
  Cell<Value>& cell_ = segment_.rollout_cell<Value>(1);
};

TEST_F(CellTest, IsZeroBeforeTheFirstWrite) {
  EXPECT_EQ(cell_.sequence(), 0u);
  EXPECT_EQ(cell_.read().words[8], 0u);
}

TEST_F(CellTest, GivesTheLastValueAndItsNumber) {
  for (uint64_t i = 1; i <= 5; ++i) {
    cell_.write(Value::of(i * 11));
    EXPECT_EQ(cell_.snapshot().value.words[4], i * 11);
    EXPECT_EQ(cell_.snapshot().sequence, i);
  }
}

TEST_F(CellTest, ReadersNeverSeeAMixture) {
  constexpr uint64_t kWrites = 200'000;
  std::atomic<bool> torn = false;
  std::atomic<bool> backwards = false;
  const auto read = [&] {
    for (uint64_t last = 0; last < kWrites;) {
      const Value value = cell_.read();
      if (!value.whole()) torn = true;
      if (value.words[0] < last) backwards = true;
      last = value.words[0];
    }
  };
  std::thread first(read);
  std::thread second(read);
  for (uint64_t i = 1; i <= kWrites; ++i) cell_.write(Value::of(i));
  first.join();
  second.join();
  EXPECT_FALSE(torn);
  EXPECT_FALSE(backwards);
}

// The writer is killed wherever it happens to be; what is left is a whole value, and its successor goes on.
TEST_F(CellTest, AWriterMayBeKilledAtAnyInstruction) {
  for (int round = 0; round < 50; ++round) {
    const uint64_t start = cell_.sequence();
    const pid_t writer = fork();
    if (writer == 0) {
      for (uint64_t i = 1;; ++i) cell_.write(Value::of(i));
    }
    while (cell_.sequence() < start + 100) std::this_thread::yield();
    ASSERT_EQ(kill(writer, SIGKILL), 0);
    ASSERT_EQ(waitpid(writer, nullptr, 0), writer);
    EXPECT_TRUE(cell_.read().whole());
    cell_.write(Value::of(777));
    EXPECT_TRUE(cell_.read().whole());
    EXPECT_EQ(cell_.read().words[0], 777u);
  }
}

}  // namespace
}  // namespace banyan::shm
