"""The tables that ``ar.py`` writes, made from its results."""

import statistics
from typing import Any

import ar_generation
import ar_scaling
from recording import protocol

PLOT_NAME = "ar_scaling.png"


def as_tables(results: dict[str, Any]) -> str:
    """Render the results as Markdown."""
    lines = [
        "# Benchmark of the autoregressive models",
        "",
        "Written by `python benchmarks/ar.py`; not edited by hand.",
        "",
    ]
    if "rates" in results:
        lines += [*rates_table(results["rates"]), "", protocol(results["rates"]), ""]
        lines += shakespeare_table(results)
    tables = {
        "generation": generation_table,
        "generation-1": generation_table,
        "pixels": pixels_table,
        "scaling": scaling_table,
    }
    for part, table in tables.items():
        if part in results:
            lines += [*table(results[part]), "", protocol(results[part]), ""]
    return "\n".join(lines)


def rates_table(result: dict[str, Any]) -> list[str]:
    """Tokens per second, round by round."""
    sides = list(result["median"])
    names = [side if side == "reference" else f"ours, {side}" for side in sides]
    lines = ["## Tokens that a second buys", "", f"{result['threads']} threads, in turns.", ""]
    lines += [f"| round | {' | '.join(names)} |", "|--:" * (len(sides) + 1) + "|"]
    for i, r in enumerate(result["rounds"], 1):
        lines.append(f"| {i} | {' | '.join(f'{r[side]:,.0f}' for side in sides)} |")
    medians = " | ".join(f"**{result['median'][side]:,.0f}**" for side in sides)
    return [*lines, f"| median | {medians} |"]


def shakespeare_table(results: dict[str, Any]) -> list[str]:
    """Losses and times, a line for each run, and what they say about the targets."""
    names = {
        "reference": "the usual small GPT, to its end",
        "equal": "ours, to the reference's loss",
        "ours-60": "ours, 60 s",
        "ours-120": "ours, 120 s",
    }
    found = {part: results[part] for part in names if part in results}
    if not found:
        return []
    lines = [
        "## Characters of tiny Shakespeare",
        "",
        "A run's seconds are those that its tokens take at the median rate above; it was made on a "
        "machine that others shared.",
        "",
        "| run | seed | parameters | tokens | seconds | nats |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    rates, seconds = results["rates"]["median"], {}
    for part, result in found.items():
        rate = rates["reference" if part == "reference" else result["precision"]]
        seconds[part] = [run["n_tokens"] / rate for run in result["runs"]]
        for seed, run, time in zip(result["seeds"], result["runs"], seconds[part], strict=True):
            lines.append(
                f"| {names[part]} | {seed} | {run['n_parameters']:,} | {run['n_tokens']:,} | "
                f"{time:.1f} | {run['nats']:.3f} |"
            )
    lines.append("")
    if "equal" in found:
        share = max(seconds["equal"]) / statistics.mean(seconds["reference"])
        lines += [f"Ours reaches the reference's loss in **{share:.0%}** of its time, at the seed "
                  "that takes longest.", ""]  # fmt: skip
    for part in ("ours-60", "ours-120"):
        if part in found:
            worst = max(run["nats"] for run in found[part]["runs"])
            lines += [f"{names[part]}: mean **{found[part]['mean']:.3f}**, worst seed {worst:.3f}.",
                      ""]  # fmt: skip
    for result in found.values():
        lines += [f"{result['precision']}; {protocol(result)}", ""]
    return lines


def generation_table(result: dict[str, Any]) -> list[str]:
    """Median rates, and ratios round by round."""
    plural = "" if result["threads"] == 1 else "s"
    rates = [r["tokens_per_second"] for r in result["rounds"]]
    lines = [
        f"## One sequence, token by token, {result['threads']} thread{plural}",
        "",
        "| way | tokens/s, each round | median |",
        "|:--|:--|--:|",
    ]
    for name in rates[0]:
        each = ", ".join(f"{r[name]:,.0f}" for r in rates)
        lines.append(f"| {name} | {each} | {statistics.median(r[name] for r in rates):,.0f} |")
    lines.append("")
    for fast, slow in (
        ("ours, same weights, cache", "Hugging Face, its cache"),
        ("ours, same weights, cache", "ours, same weights, no cache"),
        ("our Transformer, cache", "our Transformer, no cache"),
    ):
        ratios = [r[fast] / r[slow] for r in rates]
        lines.append(
            f"- {fast} : {slow} = **{statistics.median(ratios):.1f}** (median; lowest "
            f"{min(ratios):.1f})"
        )
    worst = max(r["largest_logit_difference"] for r in result["rounds"])
    equal = sum(r["greedy_tokens_equal"] for r in result["rounds"])
    lines += [
        "",
        f"Largest difference of a logit over {ar_generation.LENGTH} tokens, their parallel pass "
        f"against our cached steps: {worst:.1e}. Greedy sequences equal: {equal} of {len(rates)}.",
    ]
    return lines


def pixels_table(result: dict[str, Any]) -> list[str]:
    """Seconds of both loops, for each size of model."""
    lines = [
        f"## {ar_generation.N_DIGITS} digits from a PixelCNN, pixel by pixel",
        "",
        f"The naive loop is timed for {ar_generation.N_NAIVE} of 784 pixels, each of which costs "
        f"it the same, and scaled up. {result['rounds'][0]['threads']} threads.",
        "",
        "| model | parameters | incremental, s | naive, s | ratio, each round | median | "
        "largest difference of a logit |",
        "|:--|--:|--:|--:|:--|--:|--:|",
    ]
    for size in result["rounds"][0]["sizes"]:
        rounds = [r["sizes"][size] for r in result["rounds"]]
        each = ", ".join(f"{r['ratio']:.0f}" for r in rounds)
        lines.append(
            f"| {size} | {rounds[0]['n_parameters']:,} | "
            f"{statistics.median(r['incremental_seconds'] for r in rounds):.2f} | "
            f"{statistics.median(r['naive_seconds'] for r in rounds):.0f} | {each} | "
            f"**{statistics.median(r['ratio'] for r in rounds):.0f}** | "
            f"{max(r['largest_logit_difference'] for r in rounds):.1e} |"
        )
    return lines


def scaling_table(result: dict[str, Any]) -> list[str]:
    """Slopes, and the values at both ends."""
    lengths = result["lengths"]
    fitted = ", ".join(map(str, lengths[-ar_scaling.N_FITTED :]))
    lines = [
        "## Time and memory against the number of tokens T",
        "",
        f"![Four panels on logarithmic axes]({PLOT_NAME})",
        "",
        f"Slopes p of T^p are fitted to T = {fitted}.",
        "",
        f"| quantity | model | slope | at T = {lengths[0]} | at T = {lengths[-1]} |",
        "|:--|:--|--:|--:|--:|",
    ]
    for quantity, curves in result["curves"].items():
        for name, values in curves.items():
            slope = result["slopes"][quantity][name]
            lines.append(
                f"| {ar_scaling.TITLES[quantity]} | {name} | {slope:.2f} | {values[0]:.3g} | "
                f"{values[-1]:.3g} |"
            )
    return lines
