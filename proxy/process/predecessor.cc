#include "process/predecessor.h"

#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "process/handover.h"

namespace banyan::process {

Predecessor::Predecessor(event::Loop& loop, Fd line, Callback on_gone)
    : loop_(loop), line_(std::move(line)), on_gone_(on_gone) {}

void Predecessor::tell_ready() {
  if (!there()) return;
  say_ready(line_);
  watch_.emplace(loop_, line_.get(), event::IoWatch::Interest::read,
                 Callback::to<&Predecessor::on_line>(this));
  CHECK(watch_->start());
}

void Predecessor::tell_failure(std::string_view why) {
  if (there()) say_why_not(line_, why);
}

void Predecessor::on_line() {
  char byte;
  if (read(line_.get(), &byte, 1) < 0 && errno == EAGAIN) return;
  watch_.reset();
  line_.reset();
  on_gone_();
}

}  // namespace banyan::process
