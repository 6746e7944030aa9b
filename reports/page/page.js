// Draws the charts that the page describes as JSON (chart.h says what the fields mean).
(() => {
  'use strict';

  const described = JSON.parse(document.getElementById('charts').textContent);
  const dark = window.matchMedia('(prefers-color-scheme: dark)');

  // After Okabe and Ito: apart for every kind of colour vision, in either theme. Markers differ too.
  const palettes = {
    light: ['#0072b2', '#d55e00', '#00845f', '#b0508c', '#a87400', '#5a6270', '#2a93cf', '#7d3c98'],
    dark: ['#5cb8f0', '#ff8f45', '#35cc9e', '#ee9fcb', '#f0c040', '#b4bcc9', '#a8dcff', '#c59bff'],
  };
  const markers = ['circle', 'rectRot', 'triangle', 'rect', 'star', 'crossRot', 'cross', 'rectRounded'];
  const open_markers = new Set(['star', 'crossRot', 'cross']);  // have no area to fill

  const colour = (look) => {
    const palette = dark.matches ? palettes.dark : palettes.light;
    return palette[look % palette.length];
  };
  // The second round of colours has other markers than the first.
  const marker = (look) => markers[(look + 3 * Math.floor(look / palettes.light.length)) % markers.length];
  const theme = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Numbers. Three significant digits; ticks lose trailing zeros.

  const in_units = (value, units) => {
    let best = units[0];
    for (const unit of units) if (Math.abs(value) >= unit[0] * 0.9995) best = unit;
    return Number((value / best[0]).toPrecision(3)) + (best[1] ? ' ' + best[1] : '');
  };
  const durations = [[1, 'ns'], [1e3, 'µs'], [1e6, 'ms'], [1e9, 's']];
  const rates = [[1, '/s'], [1e3, 'k/s'], [1e6, 'M/s'], [1e9, 'G/s']];
  const sizes = [[1, 'B'], [1024, 'KiB'], [1024 ** 2, 'MiB'], [1024 ** 3, 'GiB']];
  const plain = [[1, ''], [1e3, 'k'], [1e6, 'M'], [1e9, 'G']];
  const percentile = (nines) => {
    const share = 100 * (1 - Math.pow(10, -nines));
    return share.toFixed(Math.max(0, Math.round(nines) - 2)).replace(/\.0+$/, '') + ' %';
  };
  const formats = {
    plain: (value) => in_units(value, plain),
    workers: (value) => String(value),
    rate: (value) => (value === 0 ? '0' : in_units(value, rates)),
    duration: (value) => (value === 0 ? '0' : in_units(value, durations)),
    bytes: (value) => (value === 0 ? '0' : in_units(value, sizes)),
    share: (value) => Number((100 * value).toPrecision(3)) + ' %',
    log_percent: (value) => Number((Math.pow(10, value) - 1).toPrecision(3)) + ' %',
    percentile,
  };

  // Axes.

  // Whole decades, and steps between them where there is room.
  const decade_ticks = (min, max) => {
    const decades = Math.log10(max / min);
    const steps = decades > 3 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5];
    const ticks = [];
    for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); ++power) {
      for (const step of steps) {
        const value = step * Math.pow(10, power);
        if (value >= min * 0.999 && value <= max * 1.001) ticks.push({value, major: step === 1});
      }
    }
    return ticks;
  };

  // From 0 to the first round number above max, in steps that are round in the axis's own unit.
  const round_ticks = (max, units) => {
    let unit = 1;
    for (const [size] of units) if (max >= size) unit = size;
    const about = max / unit / 4;
    const power = Math.pow(10, Math.floor(Math.log10(about)));
    const step = unit * power * [1, 2, 2.5, 5, 10].find((round) => round * power >= about * 0.999);
    const ticks = [];
    for (let i = 0; i === 0 || ticks[i - 1].value < max * 0.999; ++i) ticks.push({value: i * step});
    return ticks;
  };
  const units_of = {rate: rates, duration: durations, bytes: sizes};

  // Leaves out labels that would touch another: first those that are not major. Their grid lines stay.
  const keep_labels_apart = (built) => {
    if (!built.isHorizontal()) return;
    const {ctx, ticks} = built;
    const gap = 6;
    const placed = [];
    ctx.save();
    ctx.font = Chart.helpers.toFont(built.options.ticks.font).string;
    for (const tick of [...ticks.filter((one) => one.major), ...ticks.filter((one) => !one.major)]) {
      const middle = built.getPixelForValue(tick.value);
      const half = (ctx.measureText(tick.label).width + gap) / 2;
      const is_free = placed.every(([from, to]) => middle + half <= from || middle - half >= to);
      if (is_free) placed.push([middle - half, middle + half]);
      else tick.label = '';
    }
    ctx.restore();
  };

  const scale_of = (axis) => {
    const scale = {
      type: axis.log ? 'logarithmic' : 'linear',
      title: {display: axis.label !== '', text: axis.label, color: theme('--soft')},
      grid: {color: theme('--rule'), borderColor: theme('--rule'), tickLength: 4},
      ticks: {color: theme('--soft'), autoSkip: false, maxRotation: 0,
              callback: (value) => formats[axis.shows](value)},
      afterCalculateLabelRotation: keep_labels_apart,
    };
    if (axis.ticks) {
      scale.afterBuildTicks = (built) => {
        built.ticks = axis.ticks.filter((value) => value >= built.min && value <= built.max)
          .map((value) => ({value, major: value > 0}));  // where an axis begins is known
      };
    } else if (axis.log) {
      scale.afterBuildTicks = (built) => { built.ticks = decade_ticks(built.min, built.max); };
    }
    return scale;
  };

  // The range that shows all points, with room around the first and last so that markers are not cut.
  const set_range = (scale, axis, points, key) => {
    const values = points.flatMap((point) =>
      axis.ticks || point.high === undefined ? [point[key]] : [point[key], point.low, point.high]);
    if (values.length === 0) return;
    const min = Math.min(...values);
    const max = Math.max(...values);
    if (axis.shows === 'percentile') {
      Object.assign(scale, {min: 0, max});
    } else if (axis.shows === 'share') {
      Object.assign(scale, {min: 0, max: 1.04});
      scale.afterBuildTicks = (built) => { built.ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((value) => ({value})); };
    } else if (axis.log) {
      const margin = Math.max(Math.pow(max / min, 0.06), 1.02);
      Object.assign(scale, {min: min / margin, max: max * margin});
    } else if (axis.ticks) {
      const margin = 0.04 * (max - min) || 0.5;
      Object.assign(scale, {min: min - margin, max: max + margin});
    } else if (max > 0) {
      const ticks = round_ticks(max, units_of[axis.shows] ?? plain);
      Object.assign(scale, {min: 0, max: ticks[ticks.length - 1].value});
      scale.afterBuildTicks = (built) => { built.ticks = ticks; };
    }
  };

  // A long name would take half of a narrow chart: there it stands in two lines, broken at a joint.
  const in_lines = (name, width) => {
    const joints = [...name.matchAll(/[_/]/g)].map((joint) => joint.index + 1);
    if (width > 420 || name.length < 14 || joints.length === 0) return name;
    const middle = name.length / 2;
    const at = joints.reduce((a, b) => (Math.abs(a - middle) <= Math.abs(b - middle) ? a : b));
    return [name.slice(0, at), name.slice(at)];
  };

  const category_scale = (axis) => ({
    type: 'linear',
    reverse: true,
    offset: false,  // the range has half a row on each side already
    min: -0.5,
    max: axis.categories.length - 0.5,
    afterBuildTicks: (built) => { built.ticks = axis.categories.map((_, value) => ({value})); },
    grid: {color: theme('--rule'), borderColor: theme('--rule'), tickLength: 0},
    ticks: {color: theme('--ink'), autoSkip: false, padding: 8,
            callback(value) { return in_lines(axis.categories[value], this.chart.width); }},
  });

  // Data.

  const dataset_of = (series, kind, place, crowded) => {
    const drawn = colour(series.look);
    const style = series.markers ? marker(series.look) : 'line';
    // The first is drawn on top: where points coincide, those below show around it.
    const radius = kind === 'dots' || kind === 'points' ? 6 : series.line || crowded ? 5 : 4 + 1.3 * Math.min(place, 4);
    const outlined = !series.markers || open_markers.has(style);
    const common = {
      label: series.name,
      group: series.group,
      listed: series.listed,
      quiet: series.quiet,
      points: series.points,
      borderColor: drawn,
      backgroundColor: drawn,
    };
    if (kind === 'bars') {
      return {...common, borderWidth: 0, borderRadius: 3, maxBarThickness: 20, pointStyle: 'rect',
              data: series.points.map((point) => ({x: point.x, y: point.y}))};
    }
    return {
      ...common,
      data: series.points.map((point) => ({x: point.x, y: point.y})),
      showLine: series.line,
      borderWidth: series.strong ? 3.5 : 2,
      borderDash: series.dashed ? [6, 4] : [],
      pointStyle: style,
      pointRadius: series.markers ? radius : 0,
      pointHoverRadius: series.markers ? radius + 3 : 0,
      pointBorderWidth: outlined ? 2 : 1,
      pointBorderColor: outlined ? drawn : theme('--card'),
      clip: 8,
      pointHitRadius: 12,
      tension: 0,
    };
  };

  // What Chart.js does not draw by itself.

  const band_behind = {
    id: 'band_behind',
    beforeDatasetsDraw(chart, _, {band}) {
      if (!band) return;
      const {ctx, chartArea: area, scales: {x}} = chart;
      const left = x.getPixelForValue(band.from);
      ctx.save();
      ctx.fillStyle = theme('--band');
      ctx.fillRect(left, area.top, area.right - left, area.bottom - area.top);
      ctx.fillStyle = theme('--soft');
      ctx.font = Chart.helpers.toFont({size: 11.5}).string;
      ctx.textAlign = 'right';
      ctx.textBaseline = 'bottom';
      ctx.fillText(band.label, area.right - 4, area.top - 4);
      ctx.restore();
    },
  };

  // From the lowest to the highest dot of each category, so that the eye keeps to the row.
  const row_lines = {
    id: 'row_lines',
    beforeDatasetsDraw(chart, _, {on}) {
      if (!on) return;
      const rows = new Map();
      chart.getSortedVisibleDatasetMetas().forEach((meta) => {
        for (const {x, y} of meta.data) {
          const row = rows.get(y) ?? {from: x, to: x};
          rows.set(y, {from: Math.min(row.from, x), to: Math.max(row.to, x)});
        }
      });
      const {ctx} = chart;
      ctx.save();
      ctx.strokeStyle = theme('--soft');
      ctx.globalAlpha = 0.45;
      ctx.lineWidth = 3;
      for (const [y, {from, to}] of rows) {
        ctx.beginPath();
        ctx.moveTo(from, y);
        ctx.lineTo(to, y);
        ctx.stroke();
      }
      ctx.restore();
    },
  };

  // Beside each point its series' name, where there is room.
  const point_names = {
    id: 'point_names',
    afterDatasetsDraw(chart, _, {on}) {
      if (!on) return;
      const {ctx, chartArea: area} = chart;
      const metas = chart.getSortedVisibleDatasetMetas();
      const gap = 9;
      const half = 8;
      const taken = metas.flatMap((meta) => meta.data.map(({x, y}) =>
        ({left: x - 6, right: x + 6, top: y - 6, bottom: y + 6})));
      const free = (box) => box.left >= area.left && box.right <= area.right + 8 &&
        box.top >= area.top - 4 && box.bottom <= area.bottom &&
        taken.every((other) => box.right < other.left || box.left > other.right ||
                               box.bottom < other.top || box.top > other.bottom);
      ctx.save();
      ctx.font = Chart.helpers.toFont({size: 11.5}).string;
      ctx.fillStyle = theme('--ink');
      ctx.textBaseline = 'middle';
      ctx.textAlign = 'left';
      for (const meta of metas) {
        const name = chart.data.datasets[meta.index].label;
        const width = ctx.measureText(name).width;
        for (const {x, y} of meta.data) {
          const box = [[x + gap, y], [x - gap - width, y], [x - width / 2, y - 14], [x - width / 2, y + 14],
                       [x + gap, y - 12], [x + gap, y + 12], [x - gap - width, y - 12], [x - gap - width, y + 12]]
            .map(([left, middle]) => ({left, right: left + width, top: middle - half, bottom: middle + half}))
            .find(free);
          if (!box) continue;
          taken.push(box);
          ctx.fillText(name, box.left, (box.top + box.bottom) / 2);
        }
      }
      ctx.restore();
    },
  };

  const draw_whiskers = (chart, horizontal) => {
    const {ctx} = chart;
    const scale = horizontal ? chart.scales.x : chart.scales.y;
    const cap = 3.5;
    ctx.save();
    ctx.lineWidth = 1.4;
    chart.getSortedVisibleDatasetMetas().forEach((meta) => {
      const dataset = chart.data.datasets[meta.index];
      ctx.strokeStyle = horizontal ? theme('--ink') : dataset.borderColor;
      meta.data.forEach((element, i) => {
        const {low, high} = dataset.points[i];
        if (low === undefined || !(high > low)) return;
        const from = scale.getPixelForValue(low);
        const to = scale.getPixelForValue(high);
        const line = horizontal
          ? [[from, element.y, to, element.y], [from, element.y - cap, from, element.y + cap],
             [to, element.y - cap, to, element.y + cap]]
          : [[element.x, from, element.x, to], [element.x - cap, from, element.x + cap, from],
             [element.x - cap, to, element.x + cap, to]];
        ctx.beginPath();
        for (const [x1, y1, x2, y2] of line) {
          ctx.moveTo(x1, y1);
          ctx.lineTo(x2, y2);
        }
        ctx.stroke();
      });
    });
    ctx.restore();
  };

  // Above bars, but below dots, which they would cover.
  const whiskers = {
    id: 'whiskers',
    beforeDatasetsDraw(chart, _, {kind}) { if (kind !== 'bars') draw_whiskers(chart, kind === 'dots'); },
    afterDatasetsDraw(chart, _, {kind}) { if (kind === 'bars') draw_whiskers(chart, true); },
  };

  const tooltip_of = (shown, horizontal) => {
    const value_axis = horizontal ? shown.x : shown.y;
    const format = formats[value_axis.shows];
    return {
      filter: (item) => !item.dataset.quiet,
      itemSort: (a, b) => (horizontal ? 0 : b.parsed.y - a.parsed.y),
      callbacks: {
        title: (items) => {
          if (items.length === 0) return '';
          if (shown.kind === 'points') return items[0].dataset.label;
          if (horizontal) return shown.y.categories[items[0].parsed.y];
          return `${shown.x.label}: ${formats[shown.x.shows](items[0].parsed.x)}`;
        },
        label: (item) => {
          const point = item.dataset.points[item.dataIndex];
          if (shown.kind === 'points') return ` ${formats[shown.x.shows](point.x)}, ${shown.y.label} ${format(point.y)}`;
          const range = point.low !== undefined && point.high > point.low
            ? ` (${format(point.low)} to ${format(point.high)})` : '';
          return ` ${item.dataset.label}: ${format(horizontal ? point.x : point.y)}${range}`;
        },
      },
    };
  };

  const config_of = (shown, hidden, hide_or_show) => {
    const horizontal = shown.kind === 'dots' || shown.kind === 'bars';
    const points = shown.series.filter((series) => !hidden.has(series.group))
      .flatMap((series) => series.points);
    const x = scale_of(shown.x);
    const y = horizontal ? category_scale(shown.y) : scale_of(shown.y);
    set_range(x, shown.x, points, 'x');
    if (!horizontal) set_range(y, shown.y, points, 'y');
    const curves = shown.x.shows === 'percentile' || shown.kind === 'points';
    return {
      type: shown.kind === 'bars' ? 'bar' : 'scatter',
      data: {
        datasets: shown.series.map((series) =>
          ({...dataset_of(series, shown.kind, series.look, shown.series.length > 10), hidden: hidden.has(series.group)})),
      },
      options: {
        indexAxis: shown.kind === 'bars' ? 'y' : 'x',
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        layout: {padding: {top: shown.band ? 18 : 4, right: 10}},
        interaction: {mode: 'nearest', axis: horizontal ? 'y' : curves ? 'xy' : 'x', intersect: false},
        scales: {x, y},
        plugins: {
          legend: {
            display: shown.series.some((series) => series.listed),
            position: 'bottom',
            onClick: (_, item, legend) =>
              hide_or_show(legend.chart.data.datasets[item.datasetIndex].group),
            labels: {color: theme('--ink'), usePointStyle: true, boxHeight: 8, padding: 14,
                     filter: (item, data) => data.datasets[item.datasetIndex].listed},
          },
          tooltip: tooltip_of(shown, horizontal),
          band_behind: {band: shown.band},
          row_lines: {on: shown.kind === 'dots'},
          whiskers: {kind: shown.kind},
          point_names: {on: shown.kind === 'points'},
        },
      },
    };
  };

  // Drawing, and drawing again.

  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12.5;
  Chart.register(band_behind, row_lines, whiskers, point_names);

  const drawn = new Map();   // canvas → chart
  const chosen = described.map((chart) => chart.first);
  const hidden = described.map(() => new Set());  // groups that the reader took out

  const draw = (canvas) => {
    drawn.get(canvas)?.destroy();
    const index = Number(canvas.dataset.chart);
    const hide_or_show = (group) => {
      if (!hidden[index].delete(group)) hidden[index].add(group);
      draw(canvas);
    };
    const shown = described[index].variants[chosen[index]];
    drawn.set(canvas, new Chart(canvas, config_of(shown, hidden[index], hide_or_show)));
  };
  const canvases = [...document.querySelectorAll('canvas[data-chart]')];
  const draw_all = () => canvases.forEach(draw);

  const selects = [...document.querySelectorAll('select[data-for]')];
  const choose = (select) => {
    const index = Number(select.dataset.for);
    chosen[index] = select.selectedIndex;
    draw(document.querySelector(`canvas[data-chart="${index}"]`));
  };
  for (const select of selects) {
    select.addEventListener('change', () => {
      choose(select);
      // Neighbours that offer the same choice follow.
      const label = select.selectedOptions[0].text;
      for (const other of selects) {
        if (other === select || other.closest('section') !== select.closest('section')) continue;
        const same = [...other.options].findIndex((option) => option.text === label);
        if (same < 0) continue;
        other.selectedIndex = same;
        choose(other);
      }
    });
  }

  // Long tables get a field that leaves only the rows with all of its words.
  const long = 25;
  for (const table of document.querySelectorAll('table')) {
    const rows = [...table.tBodies[0]?.rows ?? []];
    if (rows.length <= long) continue;
    const field = document.createElement('input');
    Object.assign(field, {type: 'search', className: 'filter', placeholder: 'Show only rows with …'});
    field.setAttribute('aria-label', 'Show only rows with these words');
    field.addEventListener('input', () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.parentElement.before(field);
  }

  dark.addEventListener('change', draw_all);
  draw_all();
})();
