// Answers whose pieces go out as they come: NDJSON and multipart/mixed (RFC 2046 section 5.1).
#include <fmt/format.h>

#include "base/check.h"
#include "base/json_text.h"
#include "base/random.h"
#include "handlers/batch_fetch/answer.h"
#include "handlers/batch_fetch/sigv4.h"

namespace banyan::handlers {
namespace {

class StreamAnswer : public BatchAnswer {
 public:
  bool full() const override { return call().response_body().full(); }

  void send(std::string_view timing) override {
    CHECK(settled());
    write_end();
    if (compressed()) {
      std::vector<Slice> slices;
      append(Gzip::tail(sum_), slices);
      write(slices);
    }
    http::Fields trailers;
    trailers.add("Banyan-Complete", complete());
    trailers.add("Server-Timing", timing);
    call().response_body().end(trailers);
  }

 protected:
  bool streams() const override { return true; }
  StreamAnswer(const Means& means) : BatchAnswer(means) {}

  void begin(std::string_view content_type) {
    http::ResponseHead head;
    add_fields(head, content_type);
    head.fields.add(http::FieldId::trailer, "Banyan-Complete, Server-Timing");
    head.body.kind = http::BodyKind::streamed;
    call().respond(head);
    if (!compressed()) return;
    std::vector<Slice> slices;
    append(Gzip::head(), slices);
    write(slices);
  }
  void write(std::initializer_list<std::string_view> texts) {
    Chunk chunk = pack(texts);
    if (compressed()) sum_.add(chunk.sum);
    write(chunk.slices);
  }
  virtual void write_end() {}

  std::string text_;

 private:
  void write(std::vector<Slice>& slices) {
    for (Slice& slice : slices) call().response_body().write(std::move(slice));
    if (!full()) forget_bytes();
  }

  Gzip::Sum sum_;
};

class LinesAnswer final : public StreamAnswer {
 public:
  explicit LinesAnswer(const Means& means) : StreamAnswer(means) { begin("application/x-ndjson"); }

 private:
  void make_key(size_t index) {
    text_ = "{\"key\":";
    append_json_string(text_, keys()[index]);
    text_.append(",");
  }
  void take_object(size_t index, const Piece& piece) override {
    make_key(index);
    write({text_, piece.members, "}\n"});
  }
  void take_error(size_t index, std::string_view error) override {
    make_key(index);
    write({text_, "\"error\":\"", error, "\"}\n"});
  }
};

class MultipartAnswer final : public StreamAnswer {
 public:
  explicit MultipartAnswer(const Means& means)
      : StreamAnswer(means),
        boundary_(fmt::format("banyan-{:016x}{:016x}", Random().next(), Random().next())) {
    type_ = fmt::format("multipart/mixed; boundary={}", boundary_);
    begin(type_);
  }

 private:
  // Only visible text and blanks may stand in a field.
  void add_field(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    for (unsigned char c : value) {
      if ((c < 0x20 && c != '\t') || c == 0x7f) return;
    }
    text_.append(name).append(": ").append(value).append("\r\n");
  }

  void make_head(size_t index) {
    text_ = fmt::format("--{}\r\n", boundary_);
    add_field("Banyan-Key", encode_path(keys()[index]));
  }

  // `parts`: an Object or a PieceParts.
  template <class Parts>
  void add_part(int status, const Parts& parts, std::string_view body) {
    add_field("Banyan-Status", std::to_string(status));
    add_field("Banyan-Code", parts.code);
    add_field("Content-Type", parts.content_type.empty() ? "application/octet-stream" : parts.content_type);
    add_field("Content-Encoding", parts.content_encoding);
    add_field("ETag", parts.etag);
    add_field("Content-Length", std::to_string(body.size()));
    write({text_, "\r\n", body, "\r\n"});
  }

  void take_object(size_t index, const Piece& piece) override {
    make_head(index);
    if (const Object* object = piece.object) {
      return add_part(object->status, *object, object->body.view());
    }
    const PieceParts parts = read_members(piece.members);
    add_part(piece.status, parts, parts.body);
  }

  void take_error(size_t index, std::string_view error) override {
    make_head(index);
    add_field("Banyan-Error", error);
    add_field("Content-Length", "0");
    write({text_, "\r\n\r\n"});
  }

  void write_end() override { write({"--", boundary_, "--\r\n"}); }

  const std::string boundary_;
  std::string type_;
};

}  // namespace

std::unique_ptr<BatchAnswer> make_lines_answer(const BatchAnswer::Means& means) {
  return std::make_unique<LinesAnswer>(means);
}

std::unique_ptr<BatchAnswer> make_multipart_answer(const BatchAnswer::Means& means) {
  return std::make_unique<MultipartAnswer>(means);
}

}  // namespace banyan::handlers
