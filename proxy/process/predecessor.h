// The master whose place this one takes in an upgrade, until it has gone (handover.h).
#pragma once

#include <optional>
#include <string_view>

#include "event/io.h"
#include "event/loop.h"
#include "process/fd.h"

namespace banyan::process {

class Predecessor {
 public:
  // `line` leads to it; without a line there is none. `on_gone` comes once, from the loop, which outlives
  // this; not before tell_ready().
  Predecessor(event::Loop& loop, Fd line, Callback on_gone);

  bool there() const { return static_cast<bool>(line_); }
  // The sockets are still its own: there is one, and it does not know yet that we serve.
  bool owns_sockets() const { return there() && !watch_; }
  // That we serve; that we do not, and why. No effect if there is none.
  void tell_ready();
  void tell_failure(std::string_view why);

 private:
  void on_line();

  event::Loop& loop_;
  Fd line_;
  Callback on_gone_;
  std::optional<event::IoWatch> watch_;
};

}  // namespace banyan::process
