// Files of a spool: the input as a whole file, and as the message of one whose digest is right.
#include "base/file.h"
#include "base/sha256.h"
#include "base/temporary_folder.h"
#include "tests/fuzz/fuzz.h"
#include "worker/agent/spool.h"

namespace zcbench {

void Fuzz(std::string_view input) {
  const TemporaryFolder folder;
  const Sha256Digest digest = Sha256(input);
  std::string whole = "ZCBSPOOL";
  whole.append(reinterpret_cast<const char*>(digest.data()), digest.size()).append(input);
  ZCB_CHECK(WriteFileAtomically(folder / "000000000001.scores", input).ok());
  ZCB_CHECK(WriteFileAtomically(folder / "000000000002.scores", whole).ok());
  const absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(folder.path(), 1 << 20);
  ZCB_CHECK(spool.ok());
  ZCB_CHECK((*spool)->size() == 2);
  while (const std::optional<Spool::Entry> entry = (*spool)->Oldest()) {
    ZCB_CHECK(entry->inherited);
    (*spool)->Remove(entry->number);
  }
  ZCB_CHECK((*spool)->size() == 0);
}

}  // namespace zcbench
