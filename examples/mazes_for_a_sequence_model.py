"""From mazes to token sequences: lay out, place, solve, keep the hard ones, write, read back."""

from mesasim import mazes


def main(count: int = 10_000, size: int = 8, keep: tuple[float, float] = (75, 100)) -> float:
    """Returns how many moves the kept mazes take on average."""
    batch = mazes.generate(count, size, "kruskal", seed=1)
    batch = batch[batch.deduplicate()]
    start, goal = batch.endpoints(seed=2, min_distance=size)
    solved = batch.solve(start, goal)
    kept = mazes.select(solved, percentile=keep, min_lookahead=2)
    hard = batch[kept].solve(start[kept], goal[kept])

    tokenizer = mazes.MazeTokenizer(size, size, coordinates="two", path="directions")
    tokens, lengths = tokenizer.encode(hard, seed=3)  # int32 [mazes, longest], padded with 0
    print(f"{len(hard):,} of {count:,} mazes, {len(tokenizer.vocabulary)} tokens, up to {int(lengths.max())} long")
    print(hard.mazes.text(path=hard)[0])
    print("…", " ".join(tokenizer.text(tokens[:1])[0].split()[-12:]))

    _, _, _, paths = tokenizer.decode(tokens[:100])
    assert all(len(path) == length + 1 for path, length in zip(paths, hard.length.tolist(), strict=False))
    return float(hard.length.double().mean())


if __name__ == "__main__":
    main()
