#include "handlers/batch_fetch_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "handlers/batch_fetch_json.h"

namespace banyan::handlers {
namespace {

// Fields of an answer may hold any byte; JSON may not.
void append_text(std::string& json, std::string_view name, std::string_view text) {
  if (text.empty() || !is_utf8(text)) return;
  json.append(",\"").append(name).append("\":");
  append_json_string(json, text);
}

// "status":200,… without braces.
void append_members(std::string& json, const Object& object) {
  json.append("\"status\":").append(std::to_string(object.status));
  append_text(json, "code", object.code);
  append_text(json, "content_type", object.content_type);
  append_text(json, "etag", object.etag);
  if (object.status >= 300) return;
  if (is_utf8(object.body)) {
    json.append(",\"body\":");
    append_json_string(json, object.body);
  } else {
    json.append(",\"body_base64\":\"");
    append_base64(json, object.body);
    json.append("\"");
  }
}

class JsonAnswer final : public BatchAnswer {
 public:
  JsonAnswer(handler::Call& call, BlockPool& pool, const std::vector<std::string>& keys)
      : BatchAnswer(call, pool, keys), places_(keys.size()) {}

  void send() override {
    CHECK(settled());
    const std::vector<Slice> slices = join();
    http::ResponseHead head;
    head.fields.add(http::FieldId::content_type, "application/json");
    head.fields.add("Banyan-Complete", complete());
    head.fields.add("Cache-Control", "no-store");
    head.body.kind = http::BodyKind::sized;
    for (const Slice& slice : slices) head.body.size += slice.size;
    call_.respond(head);
    for (const Slice& slice : slices) call_.response_body().write(slice);
    call_.response_body().end();
  }

 private:
  struct Place {  // in pieces_
    size_t first = 0;
    size_t count = 0;
  };

  // Begins with a comma, which the first one in the text loses again.
  void make_piece(size_t index, const Object& object, std::string& text) const override {
    text.append(",");
    append_json_string(text, keys_[index]);
    text.append(":{");
    append_members(text, object);
    text.append("}");
  }

  void take_piece(size_t index, std::string_view text) override {
    const size_t first = pieces_.size();
    append(text, pieces_);
    places_[index] = {first, pieces_.size() - first};
  }

  // In the order of the keys.
  std::vector<Slice> join() {
    std::vector<Slice> slices;
    slices.reserve(pieces_.size() + 4);
    append(fmt::format("{{\"complete\":{},\"results\":{{", complete()), slices);
    bool has_comma = true;
    for (const Place& place : places_) {
      for (size_t i = place.first; i < place.first + place.count; ++i) {
        slices.push_back(std::move(pieces_[i]));
        if (!std::exchange(has_comma, false)) continue;
        ++slices.back().data;
        --slices.back().size;
      }
    }
    append(tail(), slices);
    return slices;
  }

  std::string tail() const {
    std::string missing, errors;
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (error(i).empty()) continue;
      if (!missing.empty()) {
        missing.append(",");
        errors.append(",");
      }
      append_json_string(missing, keys_[i]);
      append_json_string(errors, keys_[i]);
      errors.append(":\"").append(error(i)).append("\"");
    }
    return fmt::format("}},\"missing\":[{}],\"errors\":{{{}}}}}", missing, errors);
  }

  std::vector<Slice> pieces_;  // of all objects, in the order they came
  std::vector<Place> places_;
};

class LinesAnswer final : public BatchAnswer {
 public:
  LinesAnswer(handler::Call& call, BlockPool& pool, const std::vector<std::string>& keys)
      : BatchAnswer(call, pool, keys) {
    http::ResponseHead head;
    head.fields.add(http::FieldId::content_type, "application/x-ndjson");
    head.fields.add("Cache-Control", "no-store");
    head.fields.add(http::FieldId::trailer, "Banyan-Complete");
    head.body.kind = http::BodyKind::streamed;
    call_.respond(head);
  }

  void send() override {
    CHECK(settled());
    http::Fields trailers;
    trailers.add("Banyan-Complete", complete());
    call_.response_body().end(trailers);
  }

 private:
  void make_piece(size_t index, const Object& object, std::string& text) const override {
    text.append("{\"key\":");
    append_json_string(text, keys_[index]);
    text.append(",");
    append_members(text, object);
    text.append("}\n");
  }

  void take_piece(size_t, std::string_view text) override {
    std::vector<Slice> slices;
    append(text, slices);
    for (Slice& slice : slices) call_.response_body().write(std::move(slice));
  }

  void note_error(size_t index, std::string_view error) override {
    std::string text = "{\"key\":";
    append_json_string(text, keys_[index]);
    text.append(",\"error\":\"").append(error).append("\"}\n");
    take_piece(index, text);
  }
};

}  // namespace

void BatchAnswer::add(size_t index, const Object& object) {
  if (object.status == 0) return settle(index, object.error);
  text_.clear();
  make_piece(index, object, text_);
  if (bytes_ + text_.size() > kLargest) return settle(index, "too_large");
  bytes_ += text_.size();
  take_piece(index, text_);
  ++delivered_;
  settle(index, {});
}

void BatchAnswer::give_up(std::string_view error) {
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (!is_settled_[i]) settle(i, error);
  }
}

void BatchAnswer::settle(size_t index, std::string_view error) {
  CHECK(!is_settled_[index]);
  is_settled_[index] = true;
  ++settled_;
  errors_[index] = error;
  if (!error.empty()) note_error(index, error);
}

// Fills the block that is begun, then new ones.
void BatchAnswer::append(std::string_view bytes, std::vector<Slice>& slices) {
  while (!bytes.empty()) {
    if (!block_ || used_ == block_.capacity()) {
      block_ = pool_.take();
      used_ = 0;
    }
    const size_t count = std::min(bytes.size(), block_.capacity() - used_);
    char* place = block_.bytes() + used_;
    std::memcpy(place, bytes.data(), count);
    slices.push_back({block_, place, count});
    used_ += count;
    bytes.remove_prefix(count);
  }
}

std::unique_ptr<BatchAnswer> make_json_answer(handler::Call& call, BlockPool& pool,
                                              const std::vector<std::string>& keys) {
  return std::make_unique<JsonAnswer>(call, pool, keys);
}

std::unique_ptr<BatchAnswer> make_lines_answer(handler::Call& call, BlockPool& pool,
                                               const std::vector<std::string>& keys) {
  return std::make_unique<LinesAnswer>(call, pool, keys);
}

}  // namespace banyan::handlers
