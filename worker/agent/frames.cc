#include "worker/agent/frames.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr size_t kHeaderBytes = 4;

// Reads until `size` bytes are there or the stream ends; returns how many came.
absl::StatusOr<size_t> ReadAll(int socket, char* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t count = ::recv(socket, data + done, size - done, 0);
    if (count < 0 && errno == EINTR) continue;
    // A peer that died with unread data behind it shows as a reset connection instead of an end.
    if (count == 0 || (count < 0 && errno == ECONNRESET)) break;
    if (count < 0)
      return absl::UnavailableError(absl::StrCat("reading from the other process: ", std::strerror(errno)));
    done += static_cast<size_t>(count);
  }
  return done;
}

absl::Status EndedWithin(const char* what, size_t got, size_t expected) {
  return absl::UnavailableError(
      absl::StrCat("the other process died: the stream ended after ", got, " of ", expected, " bytes of a ", what));
}

}  // namespace

absl::Status WriteFrame(int socket, const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  if (size > kMaxFrameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", size, " bytes does not fit a frame, the limit is ", kMaxFrameBytes));
  }
  std::string frame;
  frame.reserve(kHeaderBytes + size);
  for (size_t i = 0; i < kHeaderBytes; ++i) frame.push_back(static_cast<char>(size >> (8 * i) & 0xff));
  ZCB_CHECK(message.AppendToString(&frame));
  for (size_t done = 0; done < frame.size();) {
    const ssize_t count = ::send(socket, frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::UnavailableError(absl::StrCat("writing to the other process: ", std::strerror(errno)));
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ReadFrame(int socket, google::protobuf::MessageLite& message) {
  unsigned char header[kHeaderBytes];
  ZCB_ASSIGN_OR_RETURN(size_t count, ReadAll(socket, reinterpret_cast<char*>(header), kHeaderBytes));
  if (count == 0) return false;
  if (count < kHeaderBytes) return EndedWithin("frame's length", count, kHeaderBytes);
  size_t size = 0;
  for (size_t i = 0; i < kHeaderBytes; ++i) size |= size_t{header[i]} << (8 * i);
  if (size > kMaxFrameBytes) {
    return absl::DataLossError(
        absl::StrCat("a frame claims ", size, " bytes, the limit is ", kMaxFrameBytes, ": the stream is damaged"));
  }
  std::string bytes(size, '\0');
  ZCB_ASSIGN_OR_RETURN(count, ReadAll(socket, bytes.data(), size));
  if (count < size) return EndedWithin("frame", count, size);
  if (!message.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat("a frame of ", size, " bytes is no ", message.GetTypeName()));
  }
  return true;
}

}  // namespace zcbench
