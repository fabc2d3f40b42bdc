// How much memory this process has for itself, as the kernel counts it.
#pragma once

#include <cstdint>

#include "process/fd.h"

namespace banyan::process {

class ResidentMemory {
 public:
  // Of the process that makes it. To be made before the process changes its root, where there is no /proc.
  ResidentMemory();

  // Bytes now, without those that are only reserved or that all processes share (program, segment); 0 if the
  // kernel does not tell.
  uint64_t bytes() const;

 private:
  Fd statm_;
};

}  // namespace banyan::process
