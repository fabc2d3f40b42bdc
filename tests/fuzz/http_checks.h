// What must hold for the HTTP/1 parsers whatever bytes they get. Each check aborts the process when it does
// not.
//
// The fuzz targets call these with the fuzzer's bytes; tests/unit/http/corpus_test.cc calls them with the
// corpus, with all its prefixes and with mutations of it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/check.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/h1_chunked.h"
#include "http/h1_framing.h"
#include "http/h1_parser.h"
#include "http/h1_writer.h"
#include "http/path.h"
#include "http/ws_receiver.h"

namespace banyan::http::checks {

// Bytes in a block that ends where they end, so that a sanitizer sees a read behind them.
class ExactBlock {
 public:
  ExactBlock(std::string_view bytes, size_t offset) : pool_(offset + bytes.size(), 0), block_(pool_.take()) {
    if (!bytes.empty()) std::memcpy(block_.bytes() + offset, bytes.data(), bytes.size());
  }
  const BlockRef& block() const { return block_; }
  bool holds(std::string_view view) const {
    auto begin = reinterpret_cast<uintptr_t>(block_.bytes());
    auto at = reinterpret_cast<uintptr_t>(view.data());
    return at >= begin && at + view.size() <= begin + block_.capacity();
  }

 private:
  BlockPool pool_;
  BlockRef block_;
};

// What came of parsing, as text, so that two ways can be compared.
struct Outcome {
  enum class Kind { incomplete, complete, error } kind = Kind::incomplete;
  std::string text;
};

inline std::string describe(const Fields& fields) {
  std::string text;
  for (const Field& field : fields) {
    text += fmt::format("{}:{}={}\n", field.name, static_cast<int>(field.id), field.value);
  }
  return text;
}

inline std::string describe(const RequestHead& head) {
  return fmt::format("{}|{}|{}|{}{}|{}|1.{}|{}{}|{}|{}:{}\n{}", head.method_text, head.target, head.path,
                     head.has_query ? "?" : "", head.query, head.host, head.minor_version, head.keep_alive,
                     head.expect_continue, head.upgrade, static_cast<int>(head.body.kind), head.body.size,
                     describe(head.fields));
}

inline std::string describe(const ResponseHead& head, bool until_close) {
  return fmt::format("1.{}|{}|{}|{}|{}|{}:{}\n{}", head.minor_version, head.status, head.reason,
                     head.keep_alive, until_close, static_cast<int>(head.body.kind), head.body.size,
                     describe(head.fields));
}

inline std::string describe(const Error& error) {
  return fmt::format("{} {} {}", error.status, error.type, error.message);
}

inline void check_fields(const Fields& fields) {
  for (const Field& field : fields) {
    CHECK(chars::is_token(field.name) && field.id == find_field_id(field.name));
    CHECK(chars::all(field.value, chars::kFieldValue));
    CHECK(field.value.empty() ||
          !(chars::is_blank(field.value.front()) || chars::is_blank(field.value.back())));
  }
}

// How `parse(block, begin, end)` fares when the bytes arrive in the given portions and lie in a new block
// each time. `parse` returns a Result<size_t>; `describe` tells what was parsed while the last block is
// there.
template <class Parse, class Describe>
Outcome parse_in_portions(std::string_view bytes, const std::vector<size_t>& ends, Parse parse,
                          Describe describe_head) {
  std::unique_ptr<ExactBlock> held;
  for (size_t i = 0; i < ends.size(); ++i) {
    size_t offset = i % 7;
    auto next = std::make_unique<ExactBlock>(bytes.substr(0, ends[i]), offset);
    held = std::move(next);  // the old bytes are gone before the parser sees the new ones
    Result<size_t> size = parse(held->block(), offset, offset + ends[i]);
    if (!size) return {Outcome::Kind::error, describe(size.error())};
    if (*size == 0) continue;
    CHECK(*size <= ends[i]);
    return {Outcome::Kind::complete, fmt::format("{} {}", *size, describe_head(*held))};
  }
  return {};
}

// Ends of portions, the last one being all of it: each byte on its own, or some forty irregular ones.
inline std::vector<size_t> portions_of(std::string_view bytes, bool each_byte) {
  std::vector<size_t> ends;
  size_t longest = each_byte ? 1 : bytes.size() / 20 + 1;
  size_t mixed = std::hash<std::string_view>()(bytes);
  for (size_t end = 0; end < bytes.size(); end += mixed % longest + 1) {
    ends.push_back(end);
    mixed = mixed * 6364136223846793005u + 1442695040888963407u;
    mixed ^= mixed >> 33;
  }
  ends.push_back(bytes.size());
  return ends;
}

// `parse_all(bytes, ends)` must come to the same whatever the portions are.
template <class ParseAll>
void check_splits(std::string_view bytes, bool each_byte, ParseAll parse_all) {
  Outcome whole = parse_all(bytes, {bytes.size()});
  std::vector<size_t> ends = portions_of(bytes, each_byte);
  Outcome split = parse_all(bytes, ends);
  if (whole.kind == Outcome::Kind::error && split.kind == Outcome::Kind::incomplete) {
    // A line in portions is judged when its end is there.
    std::string longer = std::string(bytes) + "\n";
    ends.push_back(longer.size());
    split = parse_all(longer, ends);
  }
  CHECK(split.kind == whole.kind && split.text == whole.text);
}

inline void check_request(const RequestHead& head, const ExactBlock& block) {
  CHECK(head.storage);
  CHECK(block.holds(head.method_text) && block.holds(head.target));
  for (const Field& field : head.fields) CHECK(block.holds(field.name) && block.holds(field.value));
  check_fields(head.fields);
  CHECK(chars::is_token(head.method_text) && head.method_text.size() <= 32 && head.method != Method::connect);
  CHECK(chars::all(head.target, chars::kTarget) && chars::all(head.query, chars::kTarget));
  CHECK(parse_authority(head.host).ok());
  Arena arena;
  CHECK(head.path == "*" || *normalise_path(head.path, {}, arena) == head.path);
  CHECK(head.path != "*" || head.method == Method::options);
  CHECK(head.body.kind != BodyKind::streamed ||
        (head.minor_version == 1 && !head.fields.find(FieldId::content_length)));
}

// Written and parsed again, a request is the same but for what belongs to one hop.
inline void check_round_trip(const RequestHead& head) {
  RequestHead onward;
  onward.method = head.method;
  onward.method_text = head.method_text;
  onward.path = head.path;
  onward.query = head.query;
  onward.has_query = head.has_query;
  onward.host = head.host;
  onward.upgrade = head.upgrade;
  onward.body = head.body;
  add_end_to_end_fields(head.fields, onward.fields);
  onward.fields.remove(FieldId::host);
  onward.fields.remove(FieldId::expect);
  std::string written;
  constexpr Framing kFramings[] = {Framing::none, Framing::sized, Framing::chunked};
  write_request_head(onward, {.framing = kFramings[static_cast<size_t>(head.body.kind)]}, written);

  ExactBlock block(written, 0);
  H1HeadProgress progress;
  RequestHead again;
  H1Limits limits{.head = 1 << 20, .line = 1 << 20, .fields = 1000};
  Result<size_t> size = parse_request_head(block.block(), 0, written.size(), limits, progress, again);
  CHECK(size.ok() && *size == written.size());
  CHECK(again.method_text == head.method_text && again.path == head.path && again.query == head.query);
  CHECK(again.has_query == head.has_query && again.host == head.host && again.upgrade == head.upgrade);
  CHECK(again.keep_alive && again.minor_version == 1);
  bool length_added = head.body.kind == BodyKind::none && again.body.kind == BodyKind::sized;
  CHECK(length_added ? again.body.size == 0
                     : again.body.kind == head.body.kind && again.body.size == head.body.size);
  Fields rest;
  add_end_to_end_fields(again.fields, rest);
  rest.remove(FieldId::host);
  CHECK(describe(rest) == describe(onward.fields));
}

inline void check_request_head(std::string_view bytes, bool each_byte = false) {
  H1Limits tight{.head = 96, .line = 40, .fields = 3, .underscores = Underscores::reject};
  for (const H1Limits& limits : {H1Limits{}, tight}) {
    check_splits(bytes, each_byte, [&](std::string_view all, const std::vector<size_t>& ends) {
      RequestHead head;
      H1HeadProgress progress;
      auto parse = [&](const BlockRef& block, size_t begin, size_t end) {
        return parse_request_head(block, begin, end, limits, progress, head);
      };
      return parse_in_portions(all, ends, parse, [&](const ExactBlock& block) {
        check_request(head, block);
        check_round_trip(head);
        std::string text = describe(head);
        head.clear();  // before its block goes
        return text;
      });
    });
  }
}

inline void check_response(const ResponseHead& head, bool until_close, const ExactBlock& block) {
  CHECK(head.storage && head.status >= 100 && head.status <= 599);
  CHECK(block.holds(head.reason) && chars::all(head.reason, chars::kFieldValue));
  for (const Field& field : head.fields) CHECK(block.holds(field.name) && block.holds(field.value));
  check_fields(head.fields);
  CHECK(!until_close || (!head.keep_alive && head.body.kind == BodyKind::streamed));
}

inline void check_response_round_trip(const ResponseHead& head, Method method, bool until_close) {
  ResponseHead onward;
  onward.status = head.status;
  onward.reason = head.reason;
  onward.body = head.body;
  add_end_to_end_fields(head.fields, onward.fields);
  std::string_view length = head.fields.get(FieldId::content_length);
  bool described = (method == Method::head || head.status == 304) && head.status >= 200 && head.status != 204;
  if (described && !length.empty()) onward.fields.add(FieldId::content_length, length);
  Framing framing = has_no_body(method, head.status)    ? Framing::none
                    : head.body.kind == BodyKind::sized ? Framing::sized
                    : until_close                       ? Framing::until_close
                                                        : Framing::chunked;
  std::string written;
  write_response_head(onward, {.framing = framing, .request_method = method}, written);
  ExactBlock block(written, 0);
  H1HeadProgress progress;
  ResponseHead again;
  H1Limits limits{.head = 1 << 20, .line = 1 << 20, .fields = 1000};
  auto parsed = parse_response_head(block.block(), 0, written.size(), limits, method, progress, again);
  CHECK(parsed.ok() && parsed->consumed == written.size() && parsed->until_close == until_close);
  CHECK(again.status == head.status && again.body.kind == head.body.kind &&
        again.body.size == head.body.size);
  CHECK(again.reason == (head.reason.empty() ? reason_phrase(head.status) : head.reason));
  onward.fields.remove(FieldId::content_length);
  Fields rest;
  add_end_to_end_fields(again.fields, rest);
  CHECK(describe(rest) == describe(onward.fields));
  std::string_view length_again = again.fields.get(FieldId::content_length);
  CHECK(!described || parse_content_length(length_again) == parse_content_length(length));
}

inline void check_response_head(std::string_view bytes, bool each_byte = false) {
  H1Limits tight{.head = 96, .line = 40, .fields = 3};
  for (Method method : {Method::get, Method::head}) {
    for (const H1Limits& limits : {H1Limits::for_responses(), tight}) {
      check_splits(bytes, each_byte, [&](std::string_view all, const std::vector<size_t>& ends) {
        ResponseHead head;
        H1HeadProgress progress;
        bool until_close = false;
        auto parse = [&](const BlockRef& block, size_t begin, size_t end) -> Result<size_t> {
          auto parsed = parse_response_head(block, begin, end, limits, method, progress, head);
          if (!parsed) return parsed.error();
          until_close = parsed->until_close;
          return parsed->consumed;
        };
        return parse_in_portions(all, ends, parse, [&](const ExactBlock& block) {
          check_response(head, until_close, block);
          check_response_round_trip(head, method, until_close);
          std::string text = describe(head, until_close);
          head.clear();  // before its block goes
          return text;
        });
      });
    }
  }
}

struct Decoded {
  std::string body;
  std::string end;  // how it ended, with trailers
};

inline Decoded decode_in_portions(std::string_view bytes, size_t portion) {
  ChunkedDecoder decoder;
  Decoded result;
  size_t at = 0;
  while (at < bytes.size()) {
    ExactBlock block(bytes.substr(at, portion), 0);
    std::string_view input(block.block().bytes(), block.block().capacity());
    size_t taken = 0;
    while (taken < input.size()) {
      Result<ChunkedDecoder::Step> step = decoder.decode(input.substr(taken));
      if (!step) {
        result.end = describe(step.error());
        return result;
      }
      CHECK(step->consumed > 0 && step->consumed <= input.size() - taken);
      CHECK(step->body.empty() || block.holds(step->body));
      result.body += step->body;
      taken += step->consumed;
      if (step->done) {
        check_fields(decoder.trailers());
        for (const Field& field : decoder.trailers()) CHECK(!is_forbidden_trailer(field));
        result.end = fmt::format("done after {}: {}", at + taken, describe(decoder.trailers()));
        return result;
      }
    }
    at += taken;
  }
  return result;
}

inline void check_chunked(std::string_view bytes) {
  Decoded whole = decode_in_portions(bytes, bytes.size());
  for (size_t portion : {1, 2, 7}) {
    Decoded split = decode_in_portions(bytes, portion);
    // In portions, a bad trailer line is found when its end is there; see check_splits.
    if (split.end.empty() && !whole.end.empty())
      split = decode_in_portions(std::string(bytes) + "\n", portion);
    CHECK(split.body == whole.body && split.end == whole.end);
  }
  std::string again;
  if (!whole.body.empty()) {
    append_chunk_head(again, whole.body.size());
    again += whole.body + "\r\n";
  }
  append_last_chunk(again, {});
  Decoded decoded = decode_in_portions(again, again.size());
  CHECK(decoded.body == whole.body && decoded.end == fmt::format("done after {}: ", again.size()));
}

// The events of what a WebSocket client sends, handed over in portions. Which of several faults of a
// compressed message is seen first hangs on the portions; that there is one does not.
inline std::string websocket_events(std::string bytes, size_t portion) {
  WsReceiver receiver({.max_message = 4096, .deflate = true});
  std::string events;
  for (size_t begin = 0; begin < bytes.size(); begin += portion) {
    std::span<char> rest = std::span(bytes).subspan(begin, std::min(portion, bytes.size() - begin));
    while (!rest.empty()) {
      const WsReceiver::Step step = receiver.receive(rest);
      CHECK(step.payload.size() <= 4096);
      if (step.event == WsReceiver::Event::failed) return events + "failed";
      CHECK(step.used > 0);
      rest = rest.subspan(step.used);
      if (step.event == WsReceiver::Event::none) continue;
      events +=
          fmt::format("{} {} {}\n", static_cast<int>(step.event), static_cast<int>(step.code), step.payload);
      if (step.event == WsReceiver::Event::close) return events;
    }
  }
  return events;
}

inline void check_websocket(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string whole = websocket_events(std::string(bytes), bytes.size());
  for (size_t portion : {1, 2, 7}) CHECK(websocket_events(std::string(bytes), portion) == whole);
}

inline void check_path(std::string_view bytes) {
  std::string path(bytes.starts_with('/') ? "" : "/");
  path += bytes;
  if (!chars::all(path, chars::kTarget) || path.find('?') != path.npos) return;
  for (PathRules rules : {PathRules{}, PathRules{.merge_slashes = false},
                          PathRules{.merge_slashes = true, .keep_encoded_slashes = true},
                          PathRules{.merge_slashes = false, .keep_encoded_slashes = true}}) {
    Arena arena;
    Result<std::string_view> normal = normalise_path(path, rules, arena);
    if (!normal) {
      CHECK(normal.error().status == 400);
      continue;
    }
    CHECK(normal->starts_with('/') && normal->find('\\') == normal->npos);
    CHECK(*normal != path || normal->data() == path.data());
    CHECK(!rules.merge_slashes || normal->find("//") == normal->npos);
    std::string framed = std::string(*normal) + "/";
    CHECK(framed.find("/./") == framed.npos && framed.find("/../") == framed.npos);
    CHECK(rules.keep_encoded_slashes ||
          (normal->find("%2F") == normal->npos && normal->find("%5C") == normal->npos));
    Result<std::string_view> twice = normalise_path(*normal, rules, arena);
    CHECK(twice.ok() && twice->data() == normal->data() && twice->size() == normal->size());
  }
}

}  // namespace banyan::http::checks
