/** The texts of the bell, by language. The property `labels` of the element replaces single texts. */

export interface Labels {
  title: string;
  /** `{n}` stands for the number. */
  unread: string;
  filter: string;
  all: string;
  onlyUnread: string;
  archived: string;
  readAll: string;
  read: string;
  markUnread: string;
  archive: string;
  unarchive: string;
  soundOn: string;
  soundOff: string;
  close: string;
  dismiss: string;
  loading: string;
  empty: string;
  emptyHint: string;
  failed: string;
  retry: string;
  /** The browser has no network. */
  offline: string;
  unreachable: string;
  /** The server does not accept the token of the user, or there is none. */
  refusedToken: string;
  /** `{origin}` stands for the origin of the page. */
  refusedOrigin: string;
  arrived: string;
  levels: Record<"info" | "success" | "warning" | "error" | "critical", string>;
}

const en: Labels = {
  title: "Notifications",
  unread: "{n} unread",
  filter: "Show",
  all: "All",
  onlyUnread: "Unread",
  archived: "Archived",
  readAll: "Mark all as read",
  read: "Mark as read",
  markUnread: "Mark as unread",
  archive: "Archive",
  unarchive: "Move back to inbox",
  soundOn: "Sound on",
  soundOff: "Sound off",
  close: "Close",
  dismiss: "Dismiss",
  loading: "Loading",
  empty: "No notifications",
  emptyHint: "New notifications will appear here.",
  failed: "Notifications could not be loaded.",
  retry: "Try again",
  offline: "You are offline. This list may be out of date.",
  unreachable: "The notification server cannot be reached. This list may be out of date.",
  refusedToken: "Your session has expired or is not valid. Sign in again to get new notifications.",
  refusedOrigin: "The notification server does not allow {origin}. Its operator can add it to CARILLON_CORS_ORIGINS.",
  arrived: "New notification: {title}",
  levels: { info: "Information", success: "Success", warning: "Warning", error: "Error", critical: "Critical" },
};

const de: Labels = {
  title: "Mitteilungen",
  unread: "{n} ungelesen",
  filter: "Anzeigen",
  all: "Alle",
  onlyUnread: "Ungelesen",
  archived: "Archiv",
  readAll: "Alle als gelesen markieren",
  read: "Als gelesen markieren",
  markUnread: "Als ungelesen markieren",
  archive: "Archivieren",
  unarchive: "In den Posteingang verschieben",
  soundOn: "Ton an",
  soundOff: "Ton aus",
  close: "Schließen",
  dismiss: "Ausblenden",
  loading: "Wird geladen",
  empty: "Keine Mitteilungen",
  emptyHint: "Neue Mitteilungen erscheinen hier.",
  failed: "Die Mitteilungen konnten nicht geladen werden.",
  retry: "Erneut versuchen",
  offline: "Sie sind offline. Die Liste ist möglicherweise veraltet.",
  unreachable: "Der Server für Mitteilungen ist nicht erreichbar. Die Liste ist möglicherweise veraltet.",
  refusedToken:
    "Ihre Anmeldung ist abgelaufen oder ungültig. Melden Sie sich neu an, um neue Mitteilungen zu erhalten.",
  refusedOrigin:
    "Der Server für Mitteilungen lässt {origin} nicht zu. Der Betreiber kann die Adresse in CARILLON_CORS_ORIGINS eintragen.",
  arrived: "Neue Mitteilung: {title}",
  levels: { info: "Information", success: "Erfolg", warning: "Warnung", error: "Fehler", critical: "Kritisch" },
};

const ar: Labels = {
  title: "الإشعارات",
  unread: "{n} غير مقروءة",
  filter: "عرض",
  all: "الكل",
  onlyUnread: "غير مقروءة",
  archived: "الأرشيف",
  readAll: "تعليم الكل كمقروء",
  read: "تعليم كمقروء",
  markUnread: "تعليم كغير مقروء",
  archive: "أرشفة",
  unarchive: "إعادة إلى الوارد",
  soundOn: "الصوت مفعّل",
  soundOff: "الصوت متوقف",
  close: "إغلاق",
  dismiss: "إخفاء",
  loading: "جارٍ التحميل",
  empty: "لا توجد إشعارات",
  emptyHint: "ستظهر الإشعارات الجديدة هنا تلقائيًا.",
  failed: "تعذّر تحميل الإشعارات.",
  retry: "إعادة المحاولة",
  offline: "أنت غير متصل. قد يكون المعروض قديمًا.",
  unreachable: "تعذّر الوصول إلى خادم الإشعارات. قد يكون المعروض قديمًا.",
  refusedToken: "انتهت صلاحية جلستك أو أنها غير صالحة. سجّل الدخول مجددًا لتلقّي الإشعارات الجديدة.",
  refusedOrigin: "خادم الإشعارات لا يسمح بالموقع {origin}. يمكن لمشغّل الخادم إضافته إلى CARILLON_CORS_ORIGINS.",
  arrived: "إشعار جديد: {title}",
  levels: { info: "معلومة", success: "نجاح", warning: "تحذير", error: "خطأ", critical: "حرج" },
};

const LANGUAGES: Record<string, Labels> = { en, de, ar };

/** The labels in a language, or in English. */
export function labelsFor(language: string): Labels {
  return LANGUAGES[language.toLowerCase().split("-")[0] ?? ""] ?? en;
}

/** The writing direction of a language. */
export function directionOf(language: string): "rtl" | "ltr" {
  return /^(ar|fa|he|ur|yi|ps|sd|ug|dv)\b/i.test(language) ? "rtl" : "ltr";
}
