#!/usr/bin/env python3
"""Is a JSON answer of the shape that the AWS SDK for Python has for an operation's?

    ec2_shape.py OPERATION MEMBER... <answer

Each name and type, by botocore's own model of EC2; MEMBERs are what vmlift adds, and what is newer than some
botocore that people have.  Exit status 1 names what differs; 77: there is no botocore.
"""

import json
import sys

try:
    import botocore.session
    from botocore.utils import parse_timestamp
except ImportError:
    print("skipped: no botocore", file=sys.stderr)
    sys.exit(77)

PYTHON = {"string": str, "boolean": bool, "integer": int, "long": int, "structure": dict, "list": list, "timestamp": str}
# What EC2 sends is not always what its model says: "windows" is "Windows" there.
ENUMS_NOT = {"Platform"}


def check(shape, value, where, extra, faults):
    kind = PYTHON[shape.type_name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        faults.append(f"{where}: {value!r} is no {shape.type_name}")
    elif kind is dict:
        for name, member in value.items():
            if name in shape.members:
                check(shape.members[name], member, f"{where}.{name}", extra, faults)
            elif name not in extra:
                faults.append(f"{where}: no member {name}")
    elif kind is list:
        for i, item in enumerate(value):
            check(shape.member, item, f"{where}[{i}]", extra, faults)
    elif shape.type_name == "timestamp":
        parse_timestamp(value)
    elif kind is str and shape.enum and where.split(".")[-1] not in ENUMS_NOT and value not in shape.enum:
        faults.append(f"{where}: {value} is none of {', '.join(shape.enum)}")


def main():
    operation, *extra = sys.argv[1:]
    model = botocore.session.get_session().get_service_model("ec2").operation_model(operation)
    faults = []
    check(model.output_shape, json.load(sys.stdin), operation, set(extra), faults)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
