"""Shows that each house rule fails on what it forbids and passes what it allows, on small trees in a temporary folder."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import house

# A tree that keeps every rule; each case below changes or adds one file.
SOUND = {
    "base/clock.h": "#ifndef ZCBENCH_BASE_CLOCK_H_\n#define ZCBENCH_BASE_CLOCK_H_\n#include <vector>\n"
                    "#endif  // ZCBENCH_BASE_CLOCK_H_\n",
    "nas/task.cc": '#include "absl/status/status.h"\n#include "base/clock.h"\n',
    "nas/data/image.cc": "#include <jpeglib.h>\n",
    "proto/channel.h": "#ifndef ZCBENCH_PROTO_CHANNEL_H_\n#define ZCBENCH_PROTO_CHANNEL_H_\n#include <grpcpp/grpcpp.h>\n"
                       "#endif  // ZCBENCH_PROTO_CHANNEL_H_\n",
    "db/store.h": "#ifndef ZCBENCH_DB_STORE_H_\n#define ZCBENCH_DB_STORE_H_\n#endif  // ZCBENCH_DB_STORE_H_\n",
    "db/sqlite/file.cc": '#include <sqlite3.h>\n#include "db/store.h"\n',
    "server/main.cc": '#include <CLI/CLI.hpp>\n#include "db/store.h"\n#include "proto/channel.h"\n',
    "worker/models/model.h": "// A model.\n#ifndef ZCBENCH_WORKER_MODELS_MODEL_H_\n#define ZCBENCH_WORKER_MODELS_MODEL_H_\n"
                             "#include <ATen/ATen.h>\n#endif  // ZCBENCH_WORKER_MODELS_MODEL_H_\n",
    "worker/proxies/snip.cc": '#include "worker/models/model.h"\n',
    "worker/agent/serve.cc": '#include "zcbench/v1/scorer.pb.h"\n',
    "worker/engine.cc": '#include "worker/proxies/snip.h"\n',
    "worker/proxies/snip.h": "#ifndef ZCBENCH_WORKER_PROXIES_SNIP_H_\n#define ZCBENCH_WORKER_PROXIES_SNIP_H_\n"
                             '#include "worker/models/model.h"\n#endif  // ZCBENCH_WORKER_PROXIES_SNIP_H_\n',
    "client/cli/main.cc": '#include "proto/channel.h"\n#include "zcbench/v1/query.grpc.pb.h"\n',
    "tests/end_to_end/first_light_test.cc": '#include "db/store.h"\n#include <grpcpp/grpcpp.h>\n',
    "README.md": "See ~/work/notes and ${HOME}/root/x.\n",
}


class HouseRules(unittest.TestCase):

    def breaches(self, rule, changes=None):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, content in {**SOUND, **(changes or {})}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(content)
            return list(house.RULES[rule](root))

    def test_sound_tree_passes(self):
        for rule in house.RULES:
            self.assertEqual(self.breaches(rule), [], rule)

    def test_forbidden_arrows_are_found(self):
        cases = [  # file, its include, what the answer says
            ("base/x.cc", '"nas/task.h"', "base must not include nas"),
            ("nas/x.cc", '"worker/models/model.h"', "nas must not include worker/models"),
            ("nas/x.cc", "<jpeglib.h>", "nas must not know images"),
            ("nas/x.cc", "<ATen/ATen.h>", "nas must not know torch"),
            ("proto/x.cc", '"nas/task.h"', "proto must not include nas"),
            ("db/x.cc", '"server/scheduler.h"', "db must not include server"),
            ("db/x.cc", '"proto/channel.h"', "db must not include proto"),
            ("db/x.cc", "<sqlite3.h>", "db must not know sqlite"),
            ("server/x.cc", '"worker/agent/agent.h"', "server must not include worker/agent"),
            ("server/x.cc", '"client/cc/client.h"', "server must not include client"),
            ("server/x.cc", "<c10/core/Device.h>", "server must not know torch"),
            ("server/x.cc", "<sqlite3.h>", "server must not know sqlite"),
            ("worker/models/x.cc", '"worker/passes/pass.h"', "worker/models must not include worker/passes"),
            ("worker/passes/x.cc", '"worker/proxies/snip.h"', "worker/passes must not include worker/proxies"),
            ("worker/proxies/x.cc", '"worker/engine.h"', "worker/proxies must not include worker"),
            ("worker/proxies/x_test.cc", '"zcbench/v1/scorer.pb.h"', "worker/proxies must not know protobuf"),
            ("worker/passes/x.cc", "<grpcpp/grpcpp.h>", "worker/passes must not know grpc"),
            ("worker/models/x.cc", "<sqlite3.h>", "worker/models must not know sqlite"),
            ("worker/x.cc", '"db/store.h"', "worker must not include db"),
            ("worker/agent/x.cc", '"server/scheduler.h"', "worker/agent must not include server"),
            ("worker/agent/x.cc", "<torch/csrc/autograd/autograd.h>", "worker/agent must not know torch"),
            ("worker/agent/x.cc", '"worker/proxies/snip.h"', "worker/agent must not include worker/proxies"),
            ("client/cc/x.cc", '"server/scheduler.h"', "client must not include server"),
            ("client/cc/x.cc", '"db/store.h"', "client must not include db"),
            ("client/cli/x.cc", '"worker/agent/agent.h"', "client must not include worker/agent"),
            ("worker/proxies/x.cc", "<torch/torch.h>", "torch/torch.h takes"),
            ("tests/x.cc", "<torch/torch.h>", "torch/torch.h takes"),
            ("nas/x.cc", '"task.h"', "path from the root"),
            ("nas/x.cc", '"nas/tusk.h"', "nas/tusk.h is no header"),
            ("tools/x.cc", "<vector>", "not in a folder"),
        ]
        targets = {path: "" for path in ("nas/task.h", "server/scheduler.h", "worker/agent/agent.h", "client/cc/client.h",
                                         "worker/passes/pass.h", "worker/engine.h")}
        for path, include, answer in cases:
            with self.subTest(path=path, include=include):
                found = self.breaches("include_arrows", {**targets, path: f"// Two.\n #  include {include}  // why\n"})
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(path), found)
                self.assertIn(answer, found[0])

    def test_torch_and_protobuf_meet_through_headers(self):
        found = self.breaches("include_arrows", {"worker/a.h": '#include "worker/proxies/snip.h"\n',
                                         "worker/b.h": '#include "proto/channel.h"\n',
                                         "worker/main.cc": '#include "worker/a.h"\n#include "worker/b.h"\n'})
        self.assertEqual(len(found), 1, found)
        self.assertIn("worker/main.cc: sees LibTorch (worker/main.cc > worker/a.h > worker/proxies/snip.h", found[0])
        self.assertIn("> worker/b.h > proto/channel.h > grpcpp/grpcpp.h)", found[0])

    def test_wrong_guards_are_found(self):
        good = SOUND["base/clock.h"]
        for content in (good.replace("BASE_", ""), good.replace("#define ZCBENCH", "#define ZCB"), "#pragma once\n", "",
                        good.replace("  // ZCBENCH_BASE_CLOCK_H_", "")):
            with self.subTest(content=content):
                self.assertEqual(len(self.breaches("include_guards", {"base/clock.h": content})), 1)

    def test_paths_of_a_machine_are_found(self):
        # Written in two halves, so that this file keeps the rule.
        for path in ("/ro" "ot/.cache", "cd /wo" "rk/main", "'/ho" "me/ada/x'", "/tmp/ba" "sh_jobs", "../sha" "red/docs"):
            with self.subTest(path=path):
                self.assertEqual(len(self.breaches("text", {"docs/a.md": f"fine\n{path}\n"})), 1)
        self.assertEqual(self.breaches("text", {".ci/run": "../sha" "red/data\n"}), [])

    def test_dead_links_are_found(self):
        content = "[a](../README.md#top) [b](https://example.org/x) ![c](img/c.svg)\n[d](#here)\n"
        found = self.breaches("text", {"docs/a.md": content})
        self.assertEqual(found, ["docs/a.md:1: a link to img/c.svg, which is not there"])
        self.assertEqual(self.breaches("text", {"docs/a.md": content, "docs/img/c.svg": "<svg/>"}), [])

    def test_program_fails_with_the_breaches_on_its_output(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "base", "x.h")
            path.parent.mkdir()
            path.write_text("")
            for rule, code in (("include_guards", 1), ("text", 0), ("unknown", 2)):
                done = subprocess.run([sys.executable, house.__file__, rule, folder], capture_output=True, text=True)
                self.assertEqual(done.returncode, code)
                self.assertEqual("base/x.h" in done.stdout, code == 1)


if __name__ == "__main__":
    unittest.main()
