"""Reed-Solomon over GF(2^8) with the matrix of docs/format.md section 10."""

EXP = [0] * 510
LOG = [0] * 256
_element = 1
for _power in range(255):
    EXP[_power] = EXP[_power + 255] = _element
    LOG[_element] = _power
    _element <<= 1
    if _element & 0x100:
        _element ^= 0x11D


def multiply(a: int, b: int) -> int:
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def invert(a: int) -> int:
    return EXP[255 - LOG[a]]


def cauchy(row: int, column: int) -> int:
    return invert((255 - row) ^ column)


def parity(row: int, column: int) -> int:
    own = multiply(cauchy(row, column), invert(cauchy(row, 0)))
    first = multiply(cauchy(0, column), invert(cauchy(0, 0)))
    return multiply(own, invert(first))


def generator_row(k: int, number: int) -> list[int]:
    """The row that makes shard `number` out of k data shards."""
    return [int(column == number) if number < k else parity(number - k, column) for column in range(k)]


def inverse(matrix: list[list[int]]) -> list[list[int]]:
    """Gauss and Jordan; the matrix is square and can be inverted."""
    size = len(matrix)
    rows = [row + [int(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(i for i in range(column, size) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        factor = invert(rows[column][column])
        rows[column] = [multiply(factor, value) for value in rows[column]]
        for i in range(size):
            if i != column and (factor := rows[i][column]):
                rows[i] = [value ^ multiply(factor, other) for value, other in zip(rows[i], rows[column])]
    return [row[size:] for row in rows]


def data_shards(k: int, shards: dict[int, bytes]) -> list[bytes]:
    """The k data shards out of any k shards, which all have one length."""
    numbers = sorted(shards)[:k]
    length = len(shards[numbers[0]])
    solution = inverse([generator_row(k, number) for number in numbers])

    def rebuild(row: list[int]) -> bytes:
        total = 0
        for factor, number in zip(row, numbers):
            if factor:
                table = bytes(multiply(factor, value) for value in range(256))
                total ^= int.from_bytes(shards[number].translate(table), "little")
        return total.to_bytes(length, "little")

    return [shards[number] if number in shards else rebuild(solution[number]) for number in range(k)]
