// The system calls below every kind of stream.
#pragma once

#include <span>

#include "net/stream.h"

namespace banyan::net {

// One recv. A short count means that the socket is drained, unless the peer's FIN waits behind the data.
IoResult receive(int fd, std::span<char> space, bool peer_finished);
// One sendmsg of at most IOV_MAX parts. Never raises SIGPIPE.
IoResult send_parts(int fd, std::span<const iovec> parts);
// One splice each, for a Stream's splice_in() and splice_out(). REQUIRES: SIGPIPE is ignored.
IoResult splice_in(int fd, KernelPipe& pipe, size_t most);
IoResult splice_out(KernelPipe& pipe, int fd, size_t most);
// The next close() sends a reset.
void set_reset_on_close(int fd);

}  // namespace banyan::net
