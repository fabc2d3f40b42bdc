// What a master gives to the one that takes its place in an upgrade: descriptors, each with what it is and
// its name, listed in a memfd whose number is in $BANYAN_HANDOVER.
//
//   old master                                          new master
//   fork, exec ─── listening sockets, segment ────────▶ starts as always, but opens only what is missing
//              ◀───── "ready" on the line, or why not ── its workers serve
//   drains, ends ─────────── end of the line ─────────▶ knows that it is alone
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "process/inheritance.h"

namespace banyan::process {

struct Handover {
  NamedFds sockets;  // of [[listener]]
  NamedFds admin_sockets;
  Fd line;        // to the other master
  Fd segment;     // the old one's
  Fd state_lock;  // the old one's; none if its version has none
  pid_t master = 0;

  // Takes what was handed over to this process, and the variable out of the environment; nothing if there is
  // none. Errors: descriptors that are not there.
  static Result<std::optional<Handover>> from_environment();
};

// The program as it was started, to be started again.
struct Program {
  std::string path;
  std::vector<std::string> arguments;  // the name first
  std::string folder;                  // where it was started

  // REQUIRES: as main() got them.
  static Program of(int count, char** arguments);
};

// What a new master takes over of an old one's segment, if that has the same layout: the keys of session
// tickets, and the orders about servers.
void take_over_segment(shm::Segment& old, shm::Segment& fresh, const config::Config& config);

// What the new master says on the line: one of the two.
void say_ready(const Fd& line);
void say_why_not(const Fd& line, std::string_view why);
// What it has said so far of why not, "" if nothing; `ready` is set if it is. Takes what is there, never
// waits.
std::string hear(const Fd& line, bool& ready);

// The list for from_environment(), not close-on-exec; the descriptors in it are the caller's.
Result<Fd> write_list(const Inheritance& inheritance, int line);
// The numbers of all descriptors in the list.
std::vector<int> descriptors_of(const Inheritance& inheritance, int line);

}  // namespace banyan::process
