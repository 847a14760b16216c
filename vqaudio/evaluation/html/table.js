// All figures of all codecs, sortable by any column.

/**
 * Draw into a table. rows: [{codec, name, figures, first}], figures null where a codec has none,
 * first the name of the codec that others are compared with;
 * sort: {column, descending}, changed and drawn again when a heading is clicked.
 */
function drawTable(table, rows, metrics, sort) {
  const columns = tableColumns(metrics, rows);
  const ordered = sortRows(rows, columns[sort.column] ?? columns[0], sort.descending);
  const head = element("tr", {}, ...columns.map((column, index) => {
    const sorted = index === sort.column ? (sort.descending ? "descending" : "ascending") : "none";
    const choose = () => {
      sort.descending = index === sort.column ? !sort.descending : column.better > 0;
      sort.column = index;
      drawTable(table, rows, metrics, sort);
      table.querySelectorAll("thead button")[index].focus();
    };
    return element("th", { scope: "col", "aria-sort": sorted },
      element("button", { type: "button", onclick: choose }, column.head.replaceAll("-", "\u2011"),
        element("small", {}, column.hint || "\u00a0")));
  }));
  const body = ordered.map((row) => element("tr", {}, ...columns.map((column, index) => {
    const text = column.text(row);
    if (index === 0) {
      return element("th", { scope: "row" }, tint(element("span", { class: "swatch" }), row.codec), text);
    }
    const cell = element("td", {}, ...(column.mark?.(row) ?? []), text);
    if (column.below) cell.append(element("small", {}, column.below(row)));
    const share = column.share(row);
    if (share !== null) {
      const bar = tint(element("span", { class: "share" }), row.codec);
      bar.style.setProperty("--share", share);
      cell.append(bar);
    }
    return cell;
  })));
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

/** better: 1 where higher is better, -1 where lower is, 0 where neither. */
function tableColumns(metrics, rows) {
  const figure = (key, digits) => ({
    value: (row) => row.figures?.[key] ?? null,
    text: (row) => (digits === 0 ? whole(row.figures?.[key]) : fixed(row.figures?.[key], digits)),
  });
  const book = (key) => (row) => row.figures?.codebook?.[key] ?? null;
  const columns = [
    { head: "codec", better: 0, value: (row) => row.name, text: (row) => row.name },
    {
      head: "bit/s", hint: "nominal", better: 0, ...figure("bitrate", 0),
      below: (row) => whole(row.figures?.nominal),
    },
    ...metrics.map((metric, index) => {
      const score = (row) => row.figures?.scores[index] ?? null;
      return {
        head: metric.label,
        hint: metric.higher_is_better ? "↑ higher" : "↓ lower",
        better: metric.higher_is_better ? 1 : -1,
        value: (row) => score(row)?.mean ?? null,
        text: (row) => fixed(score(row)?.mean, metric.digits),
        below: (row) => ((score(row)?.low ?? null) !== null
          ? `${fixed(score(row).low, metric.digits)} – ${fixed(score(row).high, metric.digits)}` : ""),
        mark: (row) => verdictMark(row, row.figures?.gaps[index], metric),
      };
    }),
    {
      head: "perplexity", hint: "codes used", better: 0, value: book("perplexity"),
      text: (row) => whole(book("perplexity")(row)),
      below: (row) => (book("size")(row) === null ? ""
        : `${fixed(100 * book("used")(row), 1)} % of ${book("size")(row)}`),
    },
    { head: "encode", hint: "RTF ↓", better: 0, ...figure("encode_rtf", 3) },
    { head: "decode", hint: "RTF ↓", better: 0, ...figure("decode_rtf", 3) },
  ];
  // A column that no codec has a figure in, such as the codebook's where all are peers, goes.
  const used = columns.filter((column) => rows.some((row) => column.value(row) !== null));
  for (const column of used) column.share = columnShare(column, rows);
  return used;
}

const VERDICTS = { // keys: of the first codec; values: of the other, whose row it is
  better: { sign: "▼", word: "worse" },
  worse: { sign: "▲", word: "better" },
  undecided: { sign: "≈", word: "undecided" },
};

/** How a row's codec compares with the first one; gap: what the first one's mean is above it. */
function verdictMark(row, gap, metric) {
  if (!gap?.verdict) return [];
  const { sign, word } = VERDICTS[gap.verdict];
  const number = (value) => (value > 0 ? "+" : "") + fixed(value, metric.digits);
  const interval = gap.low === null ? "" : ` (${number(-gap.high)} to ${number(-gap.low)})`;
  const title = `${word}: ${number(-gap.mean)}${interval} beside ${row.first}, ${plural(gap.clips, "clip")}`;
  return [element("span", { class: `verdict ${word}`, role: "img", title, "aria-label": title }, sign)];
}

/** Where a row lies between the worst (0) and the best (1) of a column; null where none is. */
function columnShare(column, rows) {
  const values = rows.map(column.value).filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return (row) => {
    const value = column.value(row);
    if (!column.better || value === null || !(high > low)) return null;
    return column.better > 0 ? (value - low) / (high - low) : (high - value) / (high - low);
  };
}

function sortRows(rows, column, descending) {
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [column.value(a), column.value(b)];
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (typeof left === "string" ? left.localeCompare(right) : left - right);
  });
}
