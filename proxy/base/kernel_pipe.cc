#include "base/kernel_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace banyan {
namespace {

// A user who has more than /proc/sys/fs/pipe-user-pages-soft gets pipes of two pages: not worth their calls.
constexpr int kLeastCapacity = 64 * 1024;

}  // namespace

KernelPipe::~KernelPipe() {
  close(read_end);
  close(write_end);
}

void KernelPipeGiver::operator()(KernelPipe* pipe) const {
  pipe->pool.give_back(std::unique_ptr<KernelPipe>(pipe));
}

void KernelPipes::tidy() {
  refused_ = false;
  free_.clear();  // one second's worth of opening them anew is nothing beside what they carry
}

KernelPipeRef KernelPipes::take() {
  if (used_ >= most_ || given_up_) return nullptr;
  std::unique_ptr<KernelPipe> pipe;
  if (!free_.empty()) {
    pipe = std::move(free_.back());
    free_.pop_back();
  } else if (!refused_) {
    pipe = make();
    refused_ = !pipe;
  }
  if (pipe) ++used_;
  return KernelPipeRef(pipe.release());
}

bool KernelPipes::give_up_after(int error_number) {
  if (error_number != EINVAL && error_number != ENOSYS && error_number != EPERM && error_number != EOPNOTSUPP)
    return false;
  if (!std::exchange(given_up_, true)) {
    LOG(warn, "splice: {}; bodies are copied from now on (splice = false says that it shall not be tried)",
        strerrordesc_np(error_number));
  }
  return true;
}

std::unique_ptr<KernelPipe> KernelPipes::make() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return nullptr;
  auto pipe = std::make_unique<KernelPipe>(*this, ends[0], ends[1]);
  int capacity = fcntl(ends[1], F_SETPIPE_SZ, kCapacity);
  if (capacity < 0) capacity = fcntl(ends[1], F_GETPIPE_SZ);
  return capacity < kLeastCapacity ? nullptr : std::move(pipe);
}

void KernelPipes::give_back(std::unique_ptr<KernelPipe> pipe) {
  --used_;
  if (pipe->held == 0 && free_.size() < kKeep && used_ + free_.size() < most_) {
    free_.push_back(std::move(pipe));
  }
}

}  // namespace banyan
