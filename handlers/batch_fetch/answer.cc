#include "handlers/batch_fetch/answer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace banyan::handlers {
namespace {

shm::BatchResult result_of(int status) {
  return status == 404 || status == 410 ? shm::BatchResult::not_found
         : status >= 400                ? shm::BatchResult::rejected
                                        : shm::BatchResult::ok;
}

}  // namespace

BatchAnswer::BatchAnswer(const Means& means)
    : means_(means), errors_(means.keys.size()), is_settled_(means.keys.size()) {}

void BatchAnswer::add(size_t index, const Piece& piece) {
  const bool timeout = piece.error == "timeout";
  if (piece.status == 0) {
    return settle(index, piece.error, timeout ? shm::BatchResult::timeout : shm::BatchResult::error);
  }
  if (bytes_ + piece.members.size() > means_.most) return settle(index, "too_large", shm::BatchResult::error);
  bytes_ += piece.members.size();
  take_object(index, piece);
  ++delivered_;
  settle(index, {}, result_of(piece.status));
}

void BatchAnswer::give_up(std::string_view error) {
  for (size_t i = 0; i < keys().size(); ++i) {
    if (!is_settled_[i]) settle(i, error, shm::BatchResult::timeout);
  }
}

void BatchAnswer::settle(size_t index, std::string_view error, shm::BatchResult result) {
  CHECK(!is_settled_[index]);
  is_settled_[index] = true;
  ++settled_;
  ++counts_[static_cast<size_t>(result)];
  errors_[index] = error;
  if (!error.empty()) take_error(index, error);
}

BatchAnswer::Chunk BatchAnswer::pack(std::initializer_list<std::string_view> texts) {
  Chunk chunk;
  if (compressed()) {
    append(means_.gzip->compress(texts, chunk.sum), chunk.slices);
  } else {
    for (std::string_view text : texts) append(text, chunk.slices);
  }
  return chunk;
}

// Fills the block that is begun, then new ones. What lies side by side is one slice.
void BatchAnswer::append(std::string_view bytes, std::vector<Slice>& slices) {
  while (!bytes.empty()) {
    if (!block_ || used_ == block_.capacity()) {
      block_ = means_.pool.take();
      used_ = 0;
    }
    const size_t count = std::min(bytes.size(), block_.capacity() - used_);
    char* place = block_.bytes() + used_;
    std::memcpy(place, bytes.data(), count);
    if (!slices.empty() && slices.back().data + slices.back().size == place) {
      slices.back().size += count;
    } else {
      slices.push_back({block_, place, count});
    }
    used_ += count;
    bytes.remove_prefix(count);
  }
}

void BatchAnswer::add_fields(http::ResponseHead& head, std::string_view content_type) const {
  head.fields.add(http::FieldId::content_type, content_type);
  head.fields.add("Cache-Control", "no-store");
  if (!compressed()) return;
  head.fields.add(http::FieldId::content_encoding, "gzip");
  head.fields.add("Vary", "Accept-Encoding");
}

}  // namespace banyan::handlers
