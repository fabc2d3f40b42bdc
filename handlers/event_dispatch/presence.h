// Who comes and goes, as events of the channels for which that is configured: in one order with all others,
// with offsets, and to be had again from history.
//
//   {"event":"join","id":"5f0c29e4a1b7-12","user":"alice"}    user: the token's "sub", if there is one
//   {"event":"leave","id":"5f0c29e4a1b7-12"}
//   {"event":"leave","id_prefix":"5f0c29e4a1b7-"}             a process was killed: all of its subscribers
//
// One event for all of a killed process, because there may be many thousands of them, each of whom would be
// told about each. The prefix follows from what the log knows of that process, so that its successor can say
// it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "handler/type.h"
#include "shm/event_log.h"

namespace banyan::handlers {

class Presence {
 public:
  // All outlive this; `channels` are patterns, and may change. `left`: see shm::EventLog::Left.
  Presence(handler::Services& services, shm::EventLog& log, const std::vector<std::string>& channels,
           uint32_t worker, shm::EventLog::Left left);

  // A subscriber is there from now on: its number in this process, never 0.
  uint64_t next_serial() { return ++serials_; }
  // No-op for channels whose presence nobody wants. When the log is not to be had, that is only logged.
  void join(std::string_view channel, uint64_t serial, std::string_view user);
  void leave(std::string_view channel, uint64_t serial);
  // Says of the subscribers of an earlier process in this place that they have left. Once.
  void announce_left();

 private:
  bool wanted(std::string_view channel) const;
  void publish(std::string_view channel, const std::string& json);

  handler::Services& services_;
  shm::EventLog& log_;
  const std::vector<std::string>& channels_;
  std::string prefix_;
  std::string left_prefix_;
  std::vector<std::string> left_;
  uint64_t serials_ = 0;
};

}  // namespace banyan::handlers
