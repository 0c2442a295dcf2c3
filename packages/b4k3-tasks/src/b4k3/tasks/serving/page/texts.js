// The words of the page in both languages, and the switch between them.

const ENGLISH = {
  loading: "Asking the server what it can do …",
  contents: "Parts of this page",
  no_tasks: "The served model has no task that this page can show.",
  facts: (model) =>
    [`model ${model.id}`, model.maxlen ? `up to ${model.maxlen} tokens` : "texts of any length"].join(" · "),
  run: "Compute",
  stop: "Stop",
  example: "Example:",
  example_hint: "Put an English example into the field",
  busy: "Computing …",
  took: (seconds) => `${seconds} s`,
  request: "The same request on the command line",
  copy: "Copy",
  copied: "Copied",
  list_comma: ", ",
  text_label: "Text",
  empty: "Write a text first.",

  key_title: "This server asks for a key",
  key_lead: "It stays in this tab and is sent with each request.",
  key_label: "API key",
  key_send: "Continue",
  key_wrong: "The server does not know this key.",

  error_network: "The server does not answer. Is it still running?",
  error_busy: (seconds) => `The server has too much to do.${seconds ? ` Try again in ${seconds} s.` : ""}`,
  error_draining: "The server is shutting down.",
  error_time: "The answer took too long.",
  error_server: "The model failed.",
  error_cut: "The answer stopped in the middle.",
  error_request: "The server refused the request.",
  said: (message) => `It says: ${message}`,

  similarity_nav: "Similarity",
  similarity_title: "How alike are these sentences?",
  similarity_lead: "Each cell compares two sentences by their vectors. The larger the number, the more alike they are.",
  similarity_label: "Sentences, one on each line",
  similarity_few: "Write at least two sentences, each on a line of its own.",
  similarity_many: (most) => `The table shows at most ${most} sentences.`,
  similarity_caption: "Similarities of the sentences. The arrow keys move between the cells.",
  similarity_cell: (i, j, value) => `${i} and ${j}: ${value}`,
  similarity_best: (i, j, value) => `Most alike: ${i} and ${j} (${value})`,

  fill_nav: "Masks",
  fill_title: "What belongs at the mask?",
  fill_lead: "The model fills in what is missing. The gap is written",
  fill_insert: "Insert the mask",
  fill_none: (mask) => `Put ${mask} where something is missing.`,
  fill_which: (i) => `Mask ${i}`,
  fill_choose: (token) => `Put “${token}” into the gap`,

  tag_nav: "Names",
  tag_title: "What is named in this text?",
  tag_lead: "The model marks parts of the text and says what they are.",
  tag_none: "Nothing was found in this text.",
  tag_count: (n) => (n === 1 ? "1 part was found." : `${n} parts were found.`),
  tag_list: "The parts that were found",
  column_text: "Text",
  column_label: "Label",
  column_score: "Score",
  column_place: "Characters",

  classify_nav: "Classes",
  classify_title: "Which class fits this text?",
  classify_lead: "The bars are the model's scores.",
  second_label: "Second text, if the model compares two (may be empty)",
  classify_answer: (label) => `Answer: ${label}`,
  classify_nothing: "none of the classes",

  generate_nav: "Writing",
  generate_title: "How does this text go on?",
  generate_lead: "The text appears piece by piece, as the model writes it.",
  prompt_label: "Beginning of the text",
  max_tokens_label: "Tokens at most",
  temperature_label: "Temperature (0: the best token)",
  generate_run: "Write",
  generate_end: (tokens, speed) => `${tokens} tokens, ${speed} per second`,
  generate_length: "Stopped at the number of tokens.",
  generate_stopped: "Stopped.",

  attention_nav: "Attention",
  attention_title: "Which token looks at which?",
  attention_lead: "The attention weights of one head. Choose a token on the left to see where it looks.",
  layer_label: "Layer",
  head_label: "Head",
  view_label: "View",
  view_lines: "Lines",
  view_matrix: "Matrix",
  attention_long: (n, most) => `The text has ${n} tokens, and the picture shows at most ${most}.`,
  attention_from: "Tokens that look",
  attention_to: "Tokens that are looked at",
  attention_says: (token, best) => `“${token}” looks most at ${best}`,
  attention_best: (token, weight) => `“${token}” (${weight})`,
  attention_matrix: (layer, head, largest) =>
    `Attention weights of layer ${layer}, head ${head}. Each row adds up to 1; the largest weight is ${largest}.`,
};

const CHINESE = {
  loading: "正在询问服务器支持哪些任务……",
  contents: "本页内容",
  no_tasks: "服务器上的模型没有本页可以展示的任务。",
  facts: (model) => [`模型 ${model.id}`, model.maxlen ? `最长 ${model.maxlen} 个 token` : "文本长度不限"].join(" · "),
  run: "计算",
  stop: "停止",
  example: "示例：",
  example_hint: "填入中文示例",
  busy: "正在计算……",
  took: (seconds) => `用时 ${seconds} 秒`,
  request: "用命令行发送同样的请求",
  copy: "复制",
  copied: "已复制",
  list_comma: "、",
  text_label: "文本",
  empty: "请先输入文本。",

  key_title: "服务器需要密钥",
  key_lead: "密钥只保存在当前标签页中，并随每个请求发送。",
  key_label: "API 密钥",
  key_send: "继续",
  key_wrong: "服务器不接受这个密钥。",

  error_network: "服务器没有应答。它还在运行吗？",
  error_busy: (seconds) => `服务器太忙。${seconds ? `请在 ${seconds} 秒后重试。` : ""}`,
  error_draining: "服务器正在关闭。",
  error_time: "等待结果超时。",
  error_server: "模型运行出错。",
  error_cut: "结果在中途中断。",
  error_request: "服务器拒绝了请求。",
  said: (message) => `服务器的说明：${message}`,

  similarity_nav: "相似度",
  similarity_title: "这些句子有多相似？",
  similarity_lead: "每个格子用句向量比较两个句子，数值越大越相似。",
  similarity_label: "句子，每行一个",
  similarity_few: "请至少输入两个句子，每行一个。",
  similarity_many: (most) => `表格最多显示 ${most} 个句子。`,
  similarity_caption: "句子之间的相似度。用方向键在格子之间移动。",
  similarity_cell: (i, j, value) => `第 ${i} 句与第 ${j} 句：${value}`,
  similarity_best: (i, j, value) => `最相似：第 ${i} 句与第 ${j} 句（${value}）`,

  fill_nav: "填空",
  fill_title: "空缺处应该填什么？",
  fill_lead: "模型会补全缺失的部分。空缺写作",
  fill_insert: "插入空缺",
  fill_none: (mask) => `请在缺失的位置写上 ${mask}。`,
  fill_which: (i) => `第 ${i} 处空缺`,
  fill_choose: (token) => `把“${token}”填入空缺`,

  tag_nav: "标注",
  tag_title: "文本中提到了什么？",
  tag_lead: "模型标出文本中的片段，并给出其类别。",
  tag_none: "没有在文本中找到片段。",
  tag_count: (n) => `找到 ${n} 个片段。`,
  tag_list: "找到的片段",
  column_text: "文本",
  column_label: "类别",
  column_score: "得分",
  column_place: "字符位置",

  classify_nav: "分类",
  classify_title: "这段文本属于哪一类？",
  classify_lead: "条形表示模型给出的得分。",
  second_label: "第二段文本（模型比较两段文本时填写，可留空）",
  classify_answer: (label) => `结果：${label}`,
  classify_nothing: "不属于任何类别",

  generate_nav: "生成",
  generate_title: "这段文本会怎样继续？",
  generate_lead: "模型一边写，文本一边逐段出现。",
  prompt_label: "文本开头",
  max_tokens_label: "最多 token 数",
  temperature_label: "温度（0 表示总取最优）",
  generate_run: "开始生成",
  generate_end: (tokens, speed) => `共 ${tokens} 个 token，每秒 ${speed} 个`,
  generate_length: "已达到 token 数上限。",
  generate_stopped: "已停止。",

  attention_nav: "注意力",
  attention_title: "哪个 token 关注哪个？",
  attention_lead: "一个注意力头的权重。在左侧选择一个 token，查看它关注哪里。",
  layer_label: "层",
  head_label: "头",
  view_label: "视图",
  view_lines: "连线",
  view_matrix: "矩阵",
  attention_long: (n, most) => `文本有 ${n} 个 token，图中最多显示 ${most} 个。`,
  attention_from: "发出关注的 token",
  attention_to: "被关注的 token",
  attention_says: (token, best) => `“${token}”最关注${best}`,
  attention_best: (token, weight) => `“${token}”（${weight}）`,
  attention_matrix: (layer, head, largest) => `第 ${layer} 层第 ${head} 头的注意力权重。每行之和为 1，最大权重为 ${largest}。`,
};

const LANGUAGES = { en: ENGLISH, zh: CHINESE };
const STORE = "b4k3-language";
const listeners = [];

let language = first();

// The language that was chosen before, or else the first of the browser's languages that the page has.
function first() {
  let stored = null;
  try {
    stored = localStorage.getItem(STORE);
  } catch {
    // a browser that keeps nothing
  }
  const wanted = [stored, ...(navigator.languages || [])].filter(Boolean).map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag) => tag in LANGUAGES) || "en";
}

// The text of this name; the other arguments are what it speaks of.
export function t(name, ...values) {
  const text = LANGUAGES[language][name];
  return typeof text === "function" ? text(...values) : text;
}

export function currentLanguage() {
  return language;
}

// Call a function whenever the language changes.
export function onLanguage(listener) {
  listeners.push(listener);
}

export function setLanguage(name, remember = true) {
  language = name;
  if (remember) {
    try {
      localStorage.setItem(STORE, name);
    } catch {
      // the choice lasts as long as the page
    }
  }
  document.documentElement.lang = name === "zh" ? "zh-CN" : "en";
  translate(document.body);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === name));
  }
  listeners.forEach((listener) => listener());
}

// Write the texts of the current language into the elements that name one.
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = t(element.dataset.text);
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
}
