// The segment that all processes of one master share; see layout.h for its bytes.
#pragma once

#include "base/result.h"
#include "shm/cell.h"
#include "shm/layout.h"

namespace banyan::shm {

// Owns one mapping of the segment. Pages appear when they are first touched, so the large size is address
// space only.
class Segment {
 public:
  // A new segment of zero bytes with a header, mapped shared: children forked afterwards see the same memory
  // at the same place. Errors: the kernel refuses memory or descriptors.
  static Result<Segment> create();
  // Maps a segment made by create(), through a duplicate of `fd`. Errors: not a segment, or of another layout
  // version.
  static Result<Segment> map(int fd);

  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  ~Segment();

  Layout& layout() const { return *layout_; }
  // The memfd, close-on-exec; for another mapping. Stays owned by this.
  int fd() const { return fd_; }

  // The cell of the rollout with that index in the directory. Written by the controller, read by all.
  // REQUIRES: index <= 1023.
  template <class T>
  Cell<T>& rollout_cell(uint32_t index) const {
    static_assert(sizeof(Cell<T>) <= sizeof(RolloutArea));
    return *reinterpret_cast<Cell<T>*>(layout_->rollouts.at(index).bytes.data());
  }

 private:
  Segment(int fd, Layout* layout) : fd_(fd), layout_(layout) {}

  int fd_ = -1;
  Layout* layout_ = nullptr;
};

}  // namespace banyan::shm
