#!/usr/bin/env bash
# Create .venv in the checkout, in two stages:
#
#   tools/dev/setup_venv.sh base    torch, mmengine, mmcv without compiled operators, mmderain
#   tools/dev/setup_venv.sh full    the stage base, then mmcv with its operators, mmdet, mmseg, test tools
#   tools/dev/setup_venv.sh --fingerprint    print the stamp that a finished stage would get now
#
# PYTHON=... chooses the interpreter, 3.10 to 3.12. By default, an existing environment keeps its interpreter, and a new
# environment uses the first of python3, python3.12, python3.11 and python3.10 with a suitable version.
#
# pip reads all environment variables PIP_*. PIP_FIND_LINKS can name a folder of wheels. PIP_INDEX_URL and
# PIP_EXTRA_INDEX_URL can name a mirror, or an index of CPU-only builds of torch.
#
# A finished stage writes a stamp to .venv, and is skipped the next time. The stamp contains the Python version and a
# hash of the pins. If the version or the hash changes, the environment is created again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$root/.venv
lock=$root/requirements/lock.txt
log=$venv/setup.log
min_disk_gb=${MIN_DISK_GB:-8}
recipe=1  # part of the hash; increase it if a change of this script makes a stage install other packages

say() { printf '[setup] %s\n' "$*"; }
die() { printf '[setup] error: %s\n' "$*" >&2; exit 1; }

fail() {  # prints an error message and the end of the log, and exits
    printf '[setup] error: %s\n[setup] the log is %s and ends with:\n' "$1" "$log" >&2
    tail -n 20 "$log" | sed 's/^/    /' >&2
    exit 1
}

version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

in_range() { case $1 in 3.10.*|3.11.*|3.12.*) return 0 ;; *) return 1 ;; esac }

choose_python() {  # sets $python
    local candidate version found=
    if [ -n "${PYTHON:-}" ]; then
        version=$(version_of "$PYTHON") || die "PYTHON=$PYTHON does not run; name a Python 3.10, 3.11 or 3.12, as in make demo PYTHON=python3.11"
        in_range "$version" || die "PYTHON=$PYTHON is Python $version; mmderain's set-up needs 3.10, 3.11 or 3.12"
        python=$PYTHON
        return
    fi
    for candidate in "$venv/bin/python" python3 python3.12 python3.11 python3.10; do
        version=$(version_of "$candidate") || continue
        if in_range "$version"; then
            python=$candidate
            return
        fi
        found="$found, $candidate is $version"
    done
    die "no Python 3.10, 3.11 or 3.12 found${found}; install one and name it: make PYTHON=/path/to/python3.11"
}

fingerprint() {
    "$python" - "$lock" "$recipe" <<'PY'
import hashlib, sys
lock, recipe = sys.argv[1:]
pins = [line for line in open(lock, encoding='utf-8') if not line.startswith('#')]
digest = hashlib.sha256((recipe + '\n' + ''.join(pins)).encode()).hexdigest()
print('%d.%d.%d %s' % (sys.version_info[:3] + (digest,)))
PY
}

stamped() { [ -f "$venv/.$1" ] && [ "$(cat "$venv/.$1")" = "$wanted" ]; }

usable() {  # returns whether these pins can be installed into the existing environment
    version_of "$venv/bin/python" >/dev/null && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || return 1
    if [ -f "$venv/.made-for" ]; then
        stamped made-for
    else  # this script did not create the environment: use it if it has the same Python
        [ "$(version_of "$venv/bin/python")" = "${wanted%% *}" ]
    fi
}

make_venv() {
    local free_gb home
    if [ "$python" = "$venv/bin/python" ]; then  # .venv is removed below: use the interpreter that created it
        home=$("$python" -c 'import sys; print(sys.base_prefix)')
        python=$home/bin/python${wanted%.* *}
        version_of "$python" >/dev/null || die "$python, which created .venv, does not run; set PYTHON to another one"
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python has no venv module; on Debian and Ubuntu: apt install python3-venv"
    [ ! -e "$venv" ] || say ".venv does not fit requirements/lock.txt and $python, or is damaged: it is created again"
    rm -rf "$venv"
    free_gb=$(($(df -Pk "$root" | awk 'NR == 2 {print $4}') / 1024 / 1024))
    [ "$free_gb" -ge "$min_disk_gb" ] ||
        die "$free_gb GB are free in $root; the environment needs $min_disk_gb GB (set MIN_DISK_GB to try with less)"
    say "creating .venv with Python ${wanted%% *}"
    "$python" -m venv "$venv" || die "$python -m venv failed"
}

pip_install() {  # $1: the message if it fails
    local message=$1
    shift
    printf '\n=== %s: pip install %s\n' "$(date '+%F %T')" "$*" >>"$log"
    "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --progress-bar off \
        -c "$lock" "$@" >>"$log" 2>&1 || fail "$message"
}

imports() { "$venv/bin/python" -c "import torch, $1" >>"$log" 2>&1; }

require_cv2() {  # servers and containers often lack libGL, which OpenCV needs for its windows
    imports cv2 && return
    say 'OpenCV cannot be imported, usually because libGL.so.1 is missing; installing opencv-python-headless instead'
    pip_install 'opencv-python-headless could not be installed' --force-reinstall --no-deps opencv-python-headless
    imports cv2 || fail 'OpenCV cannot be imported'
}

stage_base() {
    say 'base 1/3: pip and build tools'
    pip_install 'pip could not be updated' pip setuptools wheel hatchling editables
    say 'base 2/3: torch and torchvision; 2.8 GB if they are missing, 1 to 10 minutes'
    pip_install 'torch could not be installed' torch torchvision
    say 'base 3/3: mmengine, mmcv (without operators), mmderain; 90 MB, 1 minute'
    pip_install 'mmengine could not be installed' onedl-mmengine opencv-python
    # In an isolated build, mmcv does not find torch, and leaves its operators out. This wheel must not be stored in the
    # cache of pip, because stage full would install it from there.
    pip_install 'mmcv could not be installed' --no-cache-dir --build-constraint "$lock" onedl-mmcv
    pip_install 'mmderain could not be installed' --no-deps --no-build-isolation -e "$root"
    require_cv2
    imports 'torchvision, mmengine, mmcv' || fail 'torch, mmengine or mmcv cannot be imported'
}

python_tag() { "$venv/bin/python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])'; }

ready_wheel() {  # returns whether the index, PIP_FIND_LINKS or the cache of pip has a compiled mmcv for this Python
    "$venv/bin/python" -m pip install --dry-run --quiet --ignore-installed --no-deps \
        --only-binary onedl-mmcv -c "$lock" onedl-mmcv >>"$log" 2>&1 && return
    "$venv/bin/python" -m pip cache list onedl_mmcv 2>/dev/null | grep -q -- "-$(python_tag)-"
}

install_operators() (  # runs in a subshell, because it sets environment variables; arguments are passed to pip
    if [ -z "${CUDA_HOME:-}" ] && ! command -v nvcc >/dev/null; then
        export CUDA_VISIBLE_DEVICES=  # if mmcv sees a GPU, it compiles for CUDA, which fails without nvcc
    fi
    export MAX_JOBS=${MAX_JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
    pip_install "mmcv's operators could not be installed" \
        --no-build-isolation --force-reinstall --no-deps "$@" onedl-mmcv
)

announce_compiling() {
    command -v "${CXX:-c++}" >/dev/null || command -v g++ >/dev/null ||
        die "mmcv's operators must be compiled, but there is no C++ compiler; on Debian and Ubuntu: apt install g++ python3-dev"
    say "full 1/2: compiling mmcv's operators, only this once; 15 to 25 minutes on two cores (log: .venv/setup.log)"
}

stage_full() {
    local kind
    pip_install 'the build tools could not be installed' ninja
    if imports mmcv._ext; then
        say 'full 1/2: mmcv already has its operators'
    else
        if ready_wheel; then say 'full 1/2: mmcv with operators, from a wheel'; else announce_compiling; fi
        install_operators
        if ! imports mmcv._ext; then
            say 'the installed wheel of mmcv has no operators, or its operators are for another version of torch'
            announce_compiling
            install_operators --no-cache-dir --no-binary onedl-mmcv
            imports mmcv._ext || fail "mmcv's operators cannot be imported"
            for kind in py3-none-any "$(python_tag)"; do  # the next set-up must not install the unusable wheel again
                "$venv/bin/python" -m pip cache remove "onedl_mmcv-*-$kind" >>"$log" 2>&1 || true
            done
        fi
    fi
    say 'full 2/2: mmdet, mmseg and the test tools; 220 MB, 1 minute'
    pip_install 'mmdet, mmseg or the test tools could not be installed' --no-build-isolation -e "$root[onedl,test]"
    require_cv2
    imports 'mmcv.ops, mmdet, mmseg, pytest' || fail 'mmcv, mmdet, mmseg or pytest cannot be imported'
}

case ${1:-} in base|full|--fingerprint) ;; *) die "usage: ${0##*/} base|full|--fingerprint" ;; esac
choose_python
wanted=$(fingerprint)
if [ "$1" = --fingerprint ]; then
    echo "$wanted"
    exit
fi
if stamped "stage-$1" && version_of "$venv/bin/python" >/dev/null; then
    exit
fi
usable || make_venv
printf '%s\n' "$wanted" > "$venv/.made-for"
stamped stage-base || stage_base
printf '%s\n' "$wanted" > "$venv/.stage-base"
if [ "$1" = full ]; then
    stage_full
    printf '%s\n' "$wanted" > "$venv/.stage-full"
fi
say "stage $1 is ready after $((SECONDS / 60)) min $((SECONDS % 60)) s: .venv, $(du -sh "$venv" | cut -f1)"
