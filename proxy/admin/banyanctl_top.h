// banyanctl top: the live view, in a terminal or once.
#pragma once

#include "admin/banyanctl_client.h"

namespace banyan::ctl {

struct TopMode {
  bool once = false;  // one look of `interval`, then the end
  bool json = false;  // implies once
  Millis interval{1000};
};

// Until q or Ctrl-C, or once; gives the terminal back as it was. A daemon that does not answer any more is
// waited for in the live view. Without a terminal on standard output it is once.
ExitCode run_top(const Access& access, TopMode mode);

}  // namespace banyan::ctl
