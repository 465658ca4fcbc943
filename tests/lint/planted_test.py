"""Shows that the lint checks fire: each gets one planted violation and must report it.

Run by ctest and CI with a Python without packages: python tests/lint/planted_test.py
"""

import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path

import check_comments
import check_exports
import check_includes
import check_resources
import check_sass
import check_sizes
import check_wheel

RESOURCE_REPORT = """
Fatbin elf code:
================
arch = sm_90
Resource usage:
 Common:
  GLOBAL:0
 Function clean_kernel:
  REG:168 STACK:0 SHARED:1024 LOCAL:0 CONSTANT[0]:364 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function spilling_kernel:
  REG:32 STACK:256 SHARED:0 LOCAL:0 CONSTANT[0]:360 TEXTURE:0 SURFACE:0 SAMPLER:0
"""

SASS = """
	code for sm_100
		Function : _ZN5ggfp85sm10016sm100_group_gemmILi0EEEv
        /*0b10*/                   UTMALDG.2D [UR8], [UR18], desc[UR26] ;  /* 0x00001a08120075b4 */
                                                                           /* 0x0003e20008009000 */
        /*6b10*/              @P0  UTCQMMA gdesc[UR24], gdesc[UR22], tmem[UR41] ;  /* 0x000 */
		Function : _ZN5ggfp85sm10016sm100_group_gemmILi1EEEv
        /*0b10*/                   UTMALDG.2D [UR8], [UR18], desc[UR26] ;  /* 0x00001a08120075b4 */
        /*6b10*/                   UTCHMMA gdesc[UR24], gdesc[UR22], tmem[UR41] ;  /* 0x000 */
		Function : _ZN5ggfp85sm10016sm100_group_gemmILi4EEEv
        /*0b10*/                   UTMALDG.2D.2CTA [UR8], [UR18], desc[UR26] ;  /* 0x00001a0 */
        /*6b10*/             @!UP0 UTCQMMA.2CTA gdesc[UR24], gdesc[UR22], tmem[UR41] ; /* 0x */
"""


LAUNCHER = Path(__file__).parents[2] / "cmake" / "refuse_compiler_notes.sh"


class PlantedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def include_errors(self, name, header):
        path = self.write(name, f"#include {header}\n")
        return list(check_includes.check_file(path, name))

    def test_forbidden_includes(self):
        for name, header in [
            ("core/math.h", '"select/select.h"'),
            ("select/select.cpp", "<cuda_runtime.h>"),
            ("api/route.cpp", '"backends/mma/mma_config.h"'),
            ("xla/xla_handler.cpp", '"api/route.h"'),
            ("xla/xla_call.cpp", '"core/problem.h"'),
            ("api/tensors.cpp", '"api/route.h"'),
            ("api/c_api_tensors.cpp", '"select/select.h"'),
            ("../include/groupgemm_fp8/groupgemm_fp8.h", "<groupgemm_fp8/xla.h>"),
            ("xla/xla_abi.h", '"xla/ffi/api/c_api.h"'),
            ("backends/mma/mma_kernel.cuh", '"groupgemm_fp8/groupgemm_fp8.h"'),
            ("backends/mma/mma_kernel.cuh", '"backends/cpu/cpu_gemm.h"'),
            ("backends/sm90/sm90_heuristics.cpp", '"ptx/wgmma.cuh"'),
            ("backends/sm90/sm90_kernel.cuh", "<cutlass/cutlass.h>"),
            ("backends/sm90/sm90_backend.cpp", '"backends/sm90/sm90_kernel.cuh"'),
            ("core/group_schedule.h", '"device/tile_scheduler.cuh"'),
            ("ptx/tma.cuh", '"device/out_store.cuh"'),
            ("device/out_store.cuh", '"backends/mma/mma_config.h"'),
            ("../include/groupgemm_fp8/groupgemm_fp8.h", "<cuda_runtime.h>"),
            ("elsewhere/file.h", "<cstdint>"),
        ]:
            with self.subTest(name=name, header=header):
                self.assertEqual(len(self.include_errors(name, header)), 1)

    def test_allowed_includes(self):
        for name, header in [
            ("select/select.cpp", '"core/status.h"'),
            ("api/tensors.cpp", '"api/tensor_checks.h"'),
            ("backends/mma/mma_kernel.cuh", '"ptx/mma_sync.cuh"'),
            ("backends/mma/mma_tiles.cuh", '"device/tile_scheduler.cuh"'),
            ("backends/mma/mma_backend.cpp", '"select/backend.h"'),
            ("backends/sm100/sm100_kernel.cu", "<cutlass/cutlass.h>"),
        ]:
            with self.subTest(name=name, header=header):
                self.assertEqual(self.include_errors(name, header), [])

    def test_stale_rules(self):
        """A rule, or an allowed header, without a file is reported."""
        cpp = Path(check_includes.__file__).resolve().parents[2] / "cpp"
        names = [str(path.relative_to(cpp)).removeprefix("src/") for path in cpp.rglob("*.*")]
        names = [f"../{n}" if n.startswith(("include/", "examples/")) else n for n in names]
        self.assertEqual(list(check_includes.stale_rules(names)), [])
        without_xla = [name for name in names if not name.startswith("xla/")]
        self.assertEqual(len(list(check_includes.stale_rules(without_xla))), 3)

    def test_stack_use_is_seen(self):
        stacks = {k[1]: k[3] for k in check_resources.kernels(RESOURCE_REPORT)}
        self.assertEqual(stacks, {"clean_kernel": 0, "spilling_kernel": 256})
        self.assertEqual(check_resources.allowed_stack("sm_90", "spilling_kernel"), 0)

    def test_compiler_notes_are_refused(self):
        serialised = "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async ..."
        for note, status, wanted in [
            (serialised, 0, 1),
            ("ptxas info    : (C7519) warpgroup.arrive is injected in around line 42", 0, 1),
            ("ptxas info    : Used 168 registers, used 1 barriers", 0, 0),
            ("error: (C7510) is not a note of ptxas", 0, 0),
            (serialised, 3, 3),
        ]:
            with self.subTest(note=note, status=status):
                output = self.write("kernel.o", "compiled")
                compiler = ["sh", "-c", f'echo "{note}" >&2; exit {status}', "-o", str(output)]
                run = subprocess.run(["sh", LAUNCHER, *compiler], capture_output=True, text=True)
                self.assertEqual(run.returncode, wanted)
                self.assertIn(note, run.stderr)
                self.assertEqual(output.exists(), wanted == status)

    def sass_errors(self, kernels, required, forbidden=(), num_kernels=1):
        found = check_sass.instructions(SASS.splitlines())
        rule = check_sass.Rule("sm100", ("sm_100f",), kernels, num_kernels, required, forbidden)
        return len(list(check_sass.check_rule(rule, "sm_100f", found)))

    def test_missing_instructions_are_seen(self):
        one, other, pair = (f"gemmILi{idx}E" for idx in (0, 1, 4))
        self.assertEqual(self.sass_errors(one, ("UTCQMMA", "UTMALDG.2D"), ("UTCQMMA.2CTA",)), 0)
        self.assertEqual(self.sass_errors(pair, ("UTCQMMA.2CTA", "UTMALDG.2D.2CTA")), 0)
        for kernels, required, forbidden, num_kernels in [
            (other, ("UTCQMMA", "UTMALDG.2D"), (), 1),
            (one, ("UTCQMMA.2CTA",), (), 1),
            (one, ("UTMALDG.2D.2CTA",), (), 1),
            (pair, ("UTCQMMA",), ("UTCQMMA.2CTA",), 1),
            (pair, ("QMMA",), (), 1),
            (one, ("UTCQMMA",), (), 2),
            ("no_such_kernel", ("UTCQMMA",), (), 1),
            ("no_such_kernel", ("UTCQMMA",), (), 0),
        ]:
            with self.subTest(kernels=kernels, required=required, num_kernels=num_kernels):
                self.assertEqual(self.sass_errors(kernels, required, forbidden, num_kernels), 1)

    def test_declared_functions(self):
        header = self.write(
            "h.h",
            "/* GGFP8_API int ggfp8_comment(void); */\n"
            "GGFP8_API const char* ggfp8_one(int32_t x,\n  int32_t y);\n",
        )
        self.assertEqual(check_exports.declared_functions(header), {"ggfp8_one"})

    def test_replaceable_calls(self):
        relocations = (
            "0036038  0000004000000007 R_X86_64_JUMP_SLOT  0011ab0 ggfp8_one + 0\n"
            "0036048  0000004100000006 R_X86_64_GLOB_DAT   0011ac0 ggfp8_two + 0\n"
            "0036058  0000004200000402 R_AARCH64_JUMP_SLOT 0011ad0 ggfp8_three + 0\n"
            "0036068  0000000300000007 R_X86_64_JUMP_SLOT  0000000 memcpy@GLIBC_2.14 + 0\n"
        )
        exported = {"ggfp8_one", "ggfp8_two", "ggfp8_three", "ggfp8_four"}
        self.assertEqual(
            check_exports.replaceable_calls(relocations, exported),
            ["ggfp8_one", "ggfp8_three", "ggfp8_two"],
        )

    def test_comments(self):
        for text, wanted in [
            ("int x;  // lies behind the array\n", 1),
            ("// Copies what lies\n// in front of the array.\n", 1),
            ("/* Stores a row.\n * It lies behind the last. */\n", 1),
            ("// Of all rows, the last.\nint x;\n", 1),
            ("int x;\n  // Whole warps. Loads a row.\n", 1),
            ("// The same for columns.\n", 1),
            ("// Returns the last row.\n// Of all rows, the last is the longest.\n", 0),
            ('const char* text = "behind";\n', 0),
            ("// Asserts, Offers, Whereas: words that only begin like a fragment.\n", 0),
        ]:
            with self.subTest(text=text):
                self.assertEqual(len(list(check_comments.check_text("x.h", text))), wanted)
        for text, wanted in [
            ("x = 1  # lies behind the array\n", 1),
            ("# Of all rows, the last.\n", 1),
            ("# Returns the last row.\n# Of all rows, the last is the longest.\n", 0),
            ('text = "# behind"\n', 0),
        ]:
            for name in ("x.py", "x.cmake", "CMakeLists.txt"):
                with self.subTest(text=text, name=name):
                    self.assertEqual(len(list(check_comments.check_text(name, text))), wanted)

    def test_docstrings(self):
        for docstring, wanted in [
            ("Lies behind the array.", 1),
            ("Copies a row.\n\n    The array lies in\n    front of it.", 1),
            ("Of all rows, the last.", 1),
            ("What a caller may choose.", 1),
            ("Where a row lies, behind the others.", 2),
            ("Returns the last row.\n\n    Where there is none, the first.", 0),
            ("Asserts what Whereas only begins like.", 0),
        ]:
            for text in [
                f'"""{docstring}"""\n',
                f'class C:\n    """{docstring}"""\n',
                f'class C:\n    async def _f(self):\n        r"""{docstring}"""\n',
            ]:
                with self.subTest(text=text):
                    self.assertEqual(len(list(check_comments.check_text("x.py", text))), wanted)
        text = 'x = """Of no docstring, behind."""\n'
        self.assertEqual(list(check_comments.check_text("x.py", text)), [])

    def test_documents(self):
        for text, wanted in [
            ("# Title\n\nThe row lies behind the array.\n", 1),
            ("In front of the array lies a row.\n", 1),
            ("## What runs where\n\nWhere it is slower: calls of few tiles.\n", 0),
        ]:
            with self.subTest(text=text):
                self.assertEqual(len(list(check_comments.check_text("x.md", text))), wanted)

    def test_sizes(self):
        self.write("long.cpp", "// x\n" * 401)
        self.write("wide.py", '"""x"""\n' + "y" * 101 + "\n")
        self.write("mute.h", "#pragma once\n")
        for name in ("long.cpp", "wide.py", "mute.h"):
            with self.subTest(name=name):
                self.assertEqual(len(list(check_sizes.check_file(self.root, name))), 1)

    def test_function_sizes(self):
        """Functions of 50 lines pass, longer functions do not, whatever the head looks like."""
        heads = [
            ("x.cpp", "// x\n", "void f(int x) {{\n{body}}}\n", 2, "  g();\n"),
            (
                "x.h",
                "// x\nclass C {{\n",
                "  int f(int x,\n        int y) const noexcept {{\n{body}  }}\n",
                3,
                "    g();\n",
            ),
            (
                "x.cuh",
                "// x\n",
                "template <int kN>\n__device__ auto f() -> int {{\n{body}}}\n",
                2,
                "  g();\n",
            ),
            ("x.py", '"""x"""\n', 'def f():\n    """y\n\n    z\n    """\n{body}', 0, "    g()\n"),
            ("x.py", '"""x"""\n', "async def f(x):\n{body}", 1, "    g()\n"),
        ]
        for name, opening, function, num_lines, line in heads:
            for excess in (0, 1):
                body = line * (50 - num_lines + excess)
                with self.subTest(name=name, function=function, excess=excess):
                    self.write(name, opening.format() + function.format(body=body))
                    errors = list(check_sizes.check_file(self.root, name))
                    self.assertEqual(len(errors), excess, errors)

    def test_bodies_that_are_no_functions(self):
        """Namespaces, tables of lambdas and statements may have more lines than a function."""
        rows = '    {{"x", [](int* x) {{ *x = 1; }}}},\n' * 60
        for text in [
            f"constexpr Row kRows[] = {{{{\n{rows}}}}};\n",
            "namespace x {{\n" + "int x;\n" * 60 + "}}\n",
            "struct S {{\n" + "  int f() {{ return 1; }}\n" * 60 + "}};\n",
        ]:
            with self.subTest(text=text[:20]):
                self.write("x.cpp", "// x\n" + text.format())
                self.assertEqual(list(check_sizes.check_file(self.root, "x.cpp")), [])

    def test_wheel(self):
        name = "groupgemm_fp8-0.1.0-py3-none-linux_x86_64.whl"
        info = "groupgemm_fp8-0.1.0.dist-info"
        licences = f"License-Expression: {check_wheel.LICENSE}\n"
        licences += "".join(f"License-File: {notice}\n" for notice in check_wheel.NOTICES)
        files = {check_wheel.LIBRARY: b"", f"{info}/METADATA": licences.encode()}
        files |= dict.fromkeys([check_wheel.BUILD_FILE, *check_wheel.CMAKE_PACKAGE], b"")
        for header, source in check_wheel.expected_headers(check_wheel.ROOT).items():
            files[header] = source.read_bytes()
        for notice in check_wheel.NOTICES:
            text = (check_wheel.ROOT / notice).read_bytes()
            files[f"{info}/licenses/{notice}"] = text
        self.assertEqual(self.wheel_errors(name, files), [])
        for missing in files.keys() - {f"{info}/METADATA"}:
            with self.subTest(missing=missing):
                kept = {file: text for file, text in files.items() if file != missing}
                self.assertTrue(self.wheel_errors(name, kept))
        for extra in ("groupgemm_fp8/notes.txt", "tests/conftest.py"):
            with self.subTest(extra=extra):
                self.assertEqual(len(self.wheel_errors(name, {**files, extra: b""})), 1)
        one_python = name.replace("py3-none", "cp311-cp311")
        self.assertEqual(len(self.wheel_errors(one_python, files)), 1)

    def wheel_errors(self, name, files):
        with zipfile.ZipFile(self.root / name, "w") as wheel:
            for file, text in files.items():
                wheel.writestr(file, text)
        return list(check_wheel.check(self.root / name))


if __name__ == "__main__":
    unittest.main()
