#include "process/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "event/loop.h"
#include "support/temporary_folder.h"

namespace banyan::process {
namespace {

constexpr Millis kLook{50};

struct Watcher {
  void on_change() {
    ++changes;
    loop.stop();
  }
  void on_limit() { loop.stop(); }
  // Runs until a change is told, or for some looks.
  void run() {
    limit.start(10 * kLook);
    loop.run();
  }
  event::Loop loop;
  event::Timer limit{loop, Callback::to<&Watcher::on_limit>(this)};
  FileWatch watch{loop, Callback::to<&Watcher::on_change>(this), kLook};
  int changes = 0;
};

// When the files that a test has just written count as read.
WallTime later() { return std::chrono::system_clock::now() + std::chrono::hours(1); }

TEST(FileWatch, TellsOfFilesThatWereReplacedOnceForAll) {
  testing::TemporaryFolder folder;
  const std::string cert = folder.file("cert.pem"), key = folder.file("key.pem");
  std::ofstream(cert) << "one";
  std::ofstream(key) << "one";
  Watcher watcher;
  watcher.watch.watch({cert, key, folder.file("never")}, later());
  std::ofstream(cert + ".new") << "two";
  std::filesystem::rename(cert + ".new", cert);
  std::ofstream(key) << "other";
  watcher.run();
  EXPECT_EQ(watcher.changes, 1);
  watcher.watch.watch({cert, key}, later());
  watcher.run();
  EXPECT_EQ(watcher.changes, 1) << "nothing more has changed";
}

TEST(FileWatch, WhatChangesBetweenReadingAndWatchingIsTold) {
  testing::TemporaryFolder folder;
  const std::string cert = folder.file("cert.pem"), key = folder.file("key.pem");
  std::ofstream(cert) << "one";
  std::ofstream(key) << "one";
  const WallTime read = std::chrono::system_clock::now();
  // An older file that is renamed has changed, too.
  std::ofstream(cert + ".new") << "two";
  std::filesystem::last_write_time(cert + ".new",
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(24));
  std::filesystem::rename(cert + ".new", cert);
  Watcher watcher;
  watcher.watch.watch({cert, key}, read);
  watcher.run();
  EXPECT_EQ(watcher.changes, 1);
  watcher.run();
  EXPECT_EQ(watcher.changes, 1) << "told once";
}

}  // namespace
}  // namespace banyan::process
