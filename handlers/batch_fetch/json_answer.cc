// One JSON object with all keys, in the order in which they were asked for.
#include <fmt/format.h>

#include "base/check.h"
#include "base/json_text.h"
#include "handlers/batch_fetch/answer.h"

namespace banyan::handlers {
namespace {

class JsonAnswer final : public BatchAnswer {
 public:
  explicit JsonAnswer(const Means& means) : BatchAnswer(means), pieces_(means.keys.size()) {}

  void send(std::string_view timing) override {
    CHECK(settled());
    const std::vector<Slice> slices = join();
    http::ResponseHead head;
    add_fields(head, "application/json");
    head.fields.add("Banyan-Complete", complete());
    head.fields.add("Server-Timing", timing);
    head.body.kind = http::BodyKind::sized;
    for (const Slice& slice : slices) head.body.size += slice.size;
    call().respond(head);
    for (const Slice& slice : slices) call().response_body().write(slice);
    call().response_body().end();
  }

 private:
  void take_object(size_t index, const Piece& piece) override {
    text_.clear();
    append_json_string(text_, keys()[index]);
    text_.append(":{");
    pieces_[index] = pack({text_, piece.members, "}"});
  }

  std::vector<Slice> join() {
    std::vector<Slice> slices;
    slices.reserve(2 * keys().size() + 4);
    Gzip::Sum sum;
    const auto add = [&](const Chunk& chunk) {
      for (const Slice& slice : chunk.slices) slices.push_back(slice);
      if (compressed()) sum.add(chunk.sum);
    };
    if (compressed()) append(Gzip::head(), slices);
    add(pack({fmt::format("{{\"complete\":{},\"results\":{{", complete())}));
    const Chunk comma = pack({","});
    bool first = true;
    for (const Chunk& piece : pieces_) {
      if (piece.slices.empty()) continue;
      if (!first) add(comma);
      first = false;
      add(piece);
    }
    add(pack({tail()}));
    if (compressed()) append(Gzip::tail(sum), slices);
    return slices;
  }

  std::string tail() const {
    std::string missing, errors;
    for (size_t i = 0; i < keys().size(); ++i) {
      if (error(i).empty()) continue;
      if (!missing.empty()) {
        missing.append(",");
        errors.append(",");
      }
      append_json_string(missing, keys()[i]);
      append_json_string(errors, keys()[i]);
      errors.append(":\"").append(error(i)).append("\"");
    }
    return fmt::format("}},\"missing\":[{}],\"errors\":{{{}}}}}", missing, errors);
  }

  std::vector<Chunk> pieces_;  // by key
  std::string text_;
};

}  // namespace

std::unique_ptr<BatchAnswer> make_json_answer(const BatchAnswer::Means& means) {
  return std::make_unique<JsonAnswer>(means);
}

}  // namespace banyan::handlers
