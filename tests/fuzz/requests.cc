// Requests to every method of every service, given to a real server over a loopback connection. Each is answered in
// time with OK or with a code that says what the caller did wrong, and every message of an answer can be read.
//
// An input is text: calls one after another, each `# Service.Method` on a line of its own and below it the request as
// Protobuf text; SESSION_OF_W____________________ in it is the session of the worker `w`. The fuzzer changes the bytes
// of the messages and leaves that form whole. methods_test.cc sees to it that every method has an input in the corpus.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/temporary_folder.h"
#include "nas/data/noise.h"
#include "nas/data/probe_batch.h"
#include "server/server.h"
#include "tests/fuzz/fuzz.h"
#include "zcbench/v1/job.pb.h"
#include "zcbench/v1/worker.pb.h"

// Of libFuzzer; there only where it is.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) __attribute__((weak));

namespace zcbench {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

constexpr char kMark[] = "# ";
constexpr auto kDeadline = std::chrono::seconds(30);  // sanitizers and a busy machine included
constexpr int kInputsOfAServer = 200;

// A worker, a job that is done, one that runs, a lease, accuracies and published scores of the same architectures.
constexpr char kBefore[] = R"(# WorkerService.OpenSession
worker: "w" execution { worker: "w" host: "h" device: "cpu" numerics: "cpu-test" }
spaces { name: "nasbench201" version: "1" } spaces { name: "autoformer_tiny" version: "1" } memory_bytes: 8000000000
proxies { name: "params" version: "1.1" larger_is_better: true tolerance: 1e-6 }
proxies { name: "synflow" version: "1.1" reads_weights: true larger_is_better: true tolerance: 1e-6 }
proxies { name: "swap" version: "1.1" reads_weights: true reads_images: true larger_is_better: true tolerance: 1e-6
          options { key: "samples" value: "32" } options { key: "repeats" value: "8" } }
# JobService.CreateJob
spec { space: "nasbench201" task: "photos" proxies: "params" proxies: "synflow" seeds: 0 listed {
  architectures: "0_00_000" architectures: "1_11_111" architectures: "2_22_222" architectures: "3_33_133"
  architectures: "3_33_333" } }
# WorkerService.RecordScores
request_id: "before" unit: 1 attempt: 1 execution { worker: "w" device: "cpu" numerics: "cpu-test" }
cell { space: "nasbench201" task: "photos" images: 16 }
proxies: "params" proxies: "synflow" versions: "1.1.1" versions: "1.1.1"
results { architecture: "0_00_000" scores { outcome: 1 score: 1 seconds: 1 } scores { proxy: 1 outcome: 1 score: 2 } }
results { architecture: "1_11_111" scores { outcome: 1 score: 2 seconds: 1 } scores { proxy: 1 outcome: 1 score: 1 } }
results { architecture: "2_22_222" scores { outcome: 1 score: 3 seconds: 1 } scores { proxy: 1 outcome: 2 } }
results { architecture: "3_33_133" scores { outcome: 1 score: 4 seconds: 1 } scores { proxy: 1 outcome: 1 score: 9 } }
results { architecture: "3_33_333" scores { outcome: 1 score: 5 seconds: 1 } scores { proxy: 1 outcome: 3 reason: "x" } }
# JobService.CreateJob
spec { space: "nasbench201" task: "photos" proxies: "params" seeds: 0 listed {
  architectures: "1_00_000" architectures: "2_00_000" architectures: "3_00_000" } }
# WorkerService.Synchronize
session: "SESSION_OF_W____________________" state: WORKER_STATE_IDLE wanted: 1
# QueryService.ImportAccuracies
space: "nasbench201" task: "photos" metric: "test" source: "made up" licence: "CC0"
digest: "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
rows { architecture: "0_00_000" accuracy: 10 } rows { architecture: "1_11_111" accuracy: 30 }
rows { architecture: "2_22_222" accuracy: 20 } rows { architecture: "3_33_133" accuracy: 60 }
rows { architecture: "3_33_333" accuracy: 50 }
# PublicationService.ImportScores
space: "nasbench201" task: "photos" source: "published" licence: "CC0"
digest: "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee" proxies: "zen"
architectures: "0_00_000" architectures: "1_11_111" architectures: "2_22_222" architectures: "3_33_133"
scores: 1 scores: 5 scores: 3 scores: 0 outcomes: 1 outcomes: 1 outcomes: 1 outcomes: 2
)";

struct Call {
  const MethodDescriptor* method = nullptr;
  std::unique_ptr<Message> request;
};

// Of the same length as a session's id, so that it can be replaced in serialised messages.
constexpr char kSession[] = "SESSION_OF_W____________________";

std::unique_ptr<Message> NewMessage(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

std::unique_ptr<Message> Copy(const Message& message) {
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  return copy;
}

// "JobService.GetJob"; null: there is none.
const MethodDescriptor* FindMethod(const std::string& name) {
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(absl::StrCat("zcbench.v1.", name));
}

// What is no call is left out.
std::vector<Call> ParseCalls(const std::string& text) {
  class Silent final : public google::protobuf::io::ErrorCollector {
    void AddError(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
  } silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  std::vector<Call> calls;
  for (size_t begin = 0; begin < text.size();) {
    const size_t next = text.find(absl::StrCat("\n", kMark), begin);
    const size_t end = next == std::string::npos ? text.size() : next + 1;
    const size_t line = std::min(text.find('\n', begin), end);
    const std::string name = text.substr(begin, line - begin);
    if (absl::StartsWith(name, kMark)) {
      Call call;
      call.method = FindMethod(name.substr(std::strlen(kMark)));
      if (call.method != nullptr) {
        call.request = NewMessage(call.method->input_type());
        if (parser.ParseFromString(text.substr(line, end - line), call.request.get())) calls.push_back(std::move(call));
      }
    }
    begin = end;
  }
  return calls;
}

std::string PrintCalls(const std::vector<Call>& calls) {
  std::string text;
  for (const Call& call : calls) {
    std::string message;
    ZCB_CHECK(google::protobuf::TextFormat::PrintToString(*call.request, &message));
    absl::StrAppend(&text, kMark, call.method->service()->name(), ".", call.method->name(), "\n", message);
  }
  return text;
}

// For the fuzzer: `text` into `data`, or what is there (of `size`) when it does not fit.
size_t Put(const std::string& text, uint8_t* data, size_t size, size_t max_size) {
  if (text.size() > max_size) return size;
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

class FuzzedServer {
 public:
  FuzzedServer() {
    auto server = Server::Start({.store = folder_ / "zcbench.db", .listen = {.insecure = true}, .version = "1"});
    ZCB_CHECK(server.ok());
    server_ = *std::move(server);
    stub_ = std::make_unique<grpc::GenericStub>(
        grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
    const std::vector<Call> calls = ParseCalls(kBefore);
    ZCB_CHECK(PrintCalls(calls).find("published") != std::string::npos);  // up to the last
    for (const Call& call : calls) ZCB_CHECK(Send(call).ok());
    v1::CreateProbeBatchRequest upload;
    upload.set_content(EncodeProbeBatch(MakeNoise(FindCell("nasbench201", "cifar10", 2).value(), 0)));
    upload.set_digest(ProbeBatchDigest(upload.content()));
    ZCB_CHECK(Send({FindMethod("ProbeBatchService.CreateProbeBatch"), Copy(upload)}).ok());
  }

  grpc::Status Send(const Call& call) {
    const std::string bytes = absl::StrReplaceAll(call.request->SerializeAsString(), {{kSession, session_}});
    grpc::Slice slice(bytes);
    const grpc::ByteBuffer buffer(&slice, 1);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    grpc::CompletionQueue queue;
    const auto done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      ZCB_CHECK(queue.Next(&tag, &ok));
      return ok;
    };
    const auto stream = stub_->PrepareCall(
        &context, absl::StrCat("/", call.method->service()->full_name(), "/", call.method->name()), &queue);
    stream->StartCall(nullptr);
    if (done()) {
      stream->WriteLast(buffer, {}, nullptr);
      done();
      grpc::ByteBuffer answer;
      for (stream->Read(&answer, nullptr); done(); stream->Read(&answer, nullptr)) Receive(call, answer);
    }
    grpc::Status status;
    stream->Finish(&status, nullptr);
    done();
    return status;
  }

 private:
  void Receive(const Call& call, const grpc::ByteBuffer& answer) {
    grpc::Slice slice;
    ZCB_CHECK(answer.DumpToSingleSlice(&slice).ok());
    const std::unique_ptr<Message> response = NewMessage(call.method->output_type());
    ZCB_CHECK(response->ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
    const auto* request = dynamic_cast<const v1::OpenSessionRequest*>(call.request.get());
    if (request != nullptr && request->worker() == "w") {
      session_ = dynamic_cast<const v1::OpenSessionResponse&>(*response).session();
      ZCB_CHECK(session_.size() == std::strlen(kSession));
    }
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::string session_;
};

// What a caller may be answered whatever it asks: style.md, "Errors". UNAVAILABLE, INTERNAL and DATA_LOSS are the
// server's own faults, and DEADLINE_EXCEEDED means that it hangs.
bool IsAnAnswer(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Fuzz(std::string_view input) {
  static std::unique_ptr<FuzzedServer> server;
  static int inputs = 0;
  if (inputs++ % kInputsOfAServer == 0) {
    server.reset();
    server = std::make_unique<FuzzedServer>();
  }
  for (const Call& call : ParseCalls(std::string(input))) {
    if (auto* waits = dynamic_cast<v1::SynchronizeRequest*>(call.request.get())) {
      if (waits->wait().seconds() >= 0 && waits->wait().nanos() >= 0) waits->clear_wait();  // it would, rightly
    }
    // Strings that are no UTF-8 are gRPC's to refuse.
    if (!NewMessage(call.method->input_type())->ParseFromString(call.request->SerializeAsString())) continue;
    const grpc::Status status = server->Send(call);
    if (IsAnAnswer(status)) continue;
    std::fprintf(stderr, "%s answered with code %d: %s\n", call.method->full_name().c_str(),
                 static_cast<int>(status.error_code()), status.error_message().c_str());
    ZCB_CHECK(IsAnAnswer(status));
  }
}

}  // namespace zcbench

// Changes the bytes of one message; what is no message any more is not tried.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  using namespace zcbench;
  std::vector<Call> calls = ParseCalls({reinterpret_cast<const char*>(data), size});
  if (calls.empty()) return size;
  Message& request = *calls[seed % calls.size()].request;
  const std::string before = request.SerializeAsString();
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::string bytes = before;
    bytes.resize(before.size() + 64);
    bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), before.size(), bytes.size()));
    if (request.ParseFromString(bytes)) return Put(PrintCalls(calls), data, size, max_size);
  }
  return size;
}

// Some calls of the one input and then some of the other.
extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* a, size_t a_size, const uint8_t* b, size_t b_size,
                                            uint8_t* out, size_t max_size, unsigned int seed) {
  using namespace zcbench;
  std::vector<Call> calls = ParseCalls({reinterpret_cast<const char*>(a), a_size});
  std::vector<Call> others = ParseCalls({reinterpret_cast<const char*>(b), b_size});
  calls.resize(std::min<size_t>(calls.size(), seed % 4));
  for (size_t i = seed / 4 % 2; i < others.size() && calls.size() < 6; ++i) calls.push_back(std::move(others[i]));
  return Put(PrintCalls(calls), out, 0, max_size);
}
