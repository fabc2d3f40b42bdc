// Memory of the kernel's for bytes on their way: what is spliced from one socket into a pipe and from there
// to another is not copied into this process and out again (splice(2); HAProxy's "option splice-auto").
//
// A pipe costs two descriptors, so there are few, and only those that hold bytes are in use. They stay on the
// thread of their pool, which must outlive them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace banyan {

class KernelPipes;

// Both ends of a pipe(7), non-blocking.
struct KernelPipe {
  // Takes the descriptors over.
  KernelPipe(KernelPipes& owner, int from, int to) : pool(owner), read_end(from), write_end(to) {}
  KernelPipe(const KernelPipe&) = delete;
  KernelPipe& operator=(const KernelPipe&) = delete;
  ~KernelPipe();

  KernelPipes& pool;
  const int read_end;
  const int write_end;
  size_t held = 0;  // bytes in it; who splices keeps count
};

// Gives it back to its pool, which closes one that still holds bytes.
struct KernelPipeGiver {
  void operator()(KernelPipe* pipe) const;
};
using KernelPipeRef = std::unique_ptr<KernelPipe, KernelPipeGiver>;

class KernelPipes {
 public:
  // Asked for; the kernel gives less (64 KiB, its default) to a user without privileges who has many.
  static constexpr size_t kCapacity = 256 * 1024;

  KernelPipes() = default;
  KernelPipes(const KernelPipes&) = delete;
  KernelPipes& operator=(const KernelPipes&) = delete;

  // How many may be in use at the same time: none before this is called.
  void allow(size_t most) { most_ = most; }
  // To be called every second or so: closes those kept for reuse, and lets the kernel be asked again if it
  // has refused one.
  void tidy();
  // An empty one. Null when there are none to be had: copy then.
  KernelPipeRef take();
  // Whether this error of splice(2) is about the call and not about a socket: this kernel, or what surrounds
  // this process, does not let it splice. Then there are no pipes any more.
  bool give_up_after(int error_number);
  // Who puts bytes into one of them counts them.
  void count(size_t bytes) { spliced_ += bytes; }
  // Bytes counted so far.
  uint64_t spliced() const { return spliced_; }

 private:
  friend struct KernelPipeGiver;
  static constexpr size_t kKeep = 16;  // for reuse
  std::unique_ptr<KernelPipe> make();
  void give_back(std::unique_ptr<KernelPipe> pipe);

  std::vector<std::unique_ptr<KernelPipe>> free_;
  size_t most_ = 0;
  size_t used_ = 0;
  uint64_t spliced_ = 0;
  bool refused_ = false;
  bool given_up_ = false;
};

}  // namespace banyan
