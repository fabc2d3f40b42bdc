#include "process/state_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "process/configuration.h"
#include "support/temporary_folder.h"

namespace banyan::process {
namespace {

using ::testing::HasSubstr;

TEST(StateLockTest, ASecondInstanceIsRefusedUntilTheFirstHasEnded) {
  testing::TemporaryFolder folder;
  Result<Fd> first = lock_state(folder.path(), {});
  ASSERT_TRUE(first.ok()) << first.error().message;
  Result<Fd> second = lock_state(folder.path(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().message, HasSubstr(folder.path() + " is in use by another banyan"));
  first->reset();
  EXPECT_TRUE(lock_state(folder.path(), {}).ok());
}

TEST(StateLockTest, AnUpgradeTakesItOver) {
  testing::TemporaryFolder folder;
  Result<Fd> first = lock_state(folder.path(), {});
  ASSERT_TRUE(first.ok());
  Result<Fd> next = lock_state(folder.path(), duplicate(*first));
  ASSERT_TRUE(next.ok()) << next.error().message;
  first->reset();
  EXPECT_FALSE(lock_state(folder.path(), {}).ok()) << "the new master holds it";
}

TEST(StateLockTest, AnUpgradeMayMoveToAnotherFolder) {
  testing::TemporaryFolder before, now;
  Result<Fd> first = lock_state(before.path(), {});
  ASSERT_TRUE(first.ok());
  Result<Fd> next = lock_state(now.path(), duplicate(*first));
  ASSERT_TRUE(next.ok()) << next.error().message;
  EXPECT_FALSE(lock_state(now.path(), {}).ok());
}

TEST(StateLockTest, AFolderThatIsNotThereIsAnError) {
  testing::TemporaryFolder folder;
  Result<Fd> lock = lock_state(folder.file("none"), {});
  ASSERT_FALSE(lock.ok());
  EXPECT_THAT(lock.error().message, HasSubstr("No such file"));
}

}  // namespace
}  // namespace banyan::process
