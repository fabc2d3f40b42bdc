#include "process/overload.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include "event/loop.h"

namespace banyan::process {
namespace {

// A loop whose turns take as long as a test says.
class OverloadTest : public testing::Test {
 protected:
  void turns(int count, Millis each) {
    for (int i = 0; i < count; ++i) {
      busy_ = each;
      work_.start(Millis(1));
      limit_.start(each + Millis(150));
      loop_.run();
    }
  }
  void on_work() {
    const TimePoint end = MonotonicClock::now() + busy_;
    while (MonotonicClock::now() < end) {
    }
    if (again_) work_.start(Millis(1));
  }
  void on_limit() { loop_.stop(); }

  event::Loop loop_;
  event::Timer work_{loop_, Callback::to<&OverloadTest::on_work>(this)};
  event::Timer limit_{loop_, Callback::to<&OverloadTest::on_limit>(this)};
  ResidentMemory memory_;
  Overload overload_{loop_, memory_};
  Millis busy_{};
  bool again_ = false;
};

TEST_F(OverloadTest, AllIsWellAtFirst) {
  overload_.set({});
  turns(3, Millis(0));
  EXPECT_EQ(overload_.overloaded(), std::nullopt);
}

TEST_F(OverloadTest, DescriptorsAreCountedFromTheHighestInUse) {
  overload_.set({.loop_lag = Millis(0), .descriptors = 9000, .memory = 0});
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 100;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  overload_.set({.loop_lag = Millis(0), .descriptors = 9000, .memory = 0});
  std::vector<int> held;
  while (held.empty() || held.back() < 95) held.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  turns(1, Millis(0));
  EXPECT_EQ(overload_.overloaded(), shm::OverloadReason::descriptors);
  for (int fd : held) close(fd);
  turns(1, Millis(0));
  EXPECT_EQ(overload_.overloaded(), std::nullopt);
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(OverloadTest, LongTurnsCountWhenTheyComeInARow) {
  overload_.set({.loop_lag = Millis(50), .descriptors = 0, .memory = 0});
  turns(2, Millis(200));
  EXPECT_EQ(overload_.overloaded(), std::nullopt) << "each of them had a calm one after it";
  again_ = true;
  busy_ = Millis(200);
  work_.start(Millis(1));
  limit_.start(Millis(1000));
  loop_.run();
  EXPECT_EQ(overload_.overloaded(), shm::OverloadReason::loop_lag);
  again_ = false;
  turns(2, Millis(0));
  EXPECT_EQ(overload_.overloaded(), std::nullopt);
}

TEST_F(OverloadTest, MemoryHasALimitIfItIsSaid) {
  overload_.set({.loop_lag = Millis(0), .descriptors = 0, .memory = 4096});
  turns(1, Millis(0));
  EXPECT_EQ(overload_.overloaded(), shm::OverloadReason::memory);
  overload_.set({.loop_lag = Millis(0), .descriptors = 0, .memory = uint64_t{1} << 40});
  turns(1, Millis(0));
  EXPECT_EQ(overload_.overloaded(), std::nullopt);
}

}  // namespace
}  // namespace banyan::process
