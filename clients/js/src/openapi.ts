// Generated from /openapi.json. Do not edit: run make types.

export interface paths {
  "/v1/acks": {
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["AckBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AckView"];
          };
        };
      };
    };
  };
  "/v1/alerts": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          level?: ("info" | "success" | "warning" | "error" | "critical") | null;
          limit?: number;
          severity?: ("info" | "success" | "warning" | "error" | "critical") | null;
          state?: ("new" | "acknowledged") | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AlertPage"];
          };
        };
      };
    };
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["Alert"];
        };
      };
      responses: {
        201: {
          content: {
            "application/json": components["schemas"]["AlertView"];
          };
        };
      };
    };
  };
  "/v1/alerts/{alert}": {
    get: {
      parameters: {
        path: {
          alert: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AlertView"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          alert: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
  };
  "/v1/alerts/{alert}/acknowledge": {
    post: {
      parameters: {
        path: {
          alert: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AlertView"];
          };
        };
      };
    };
  };
  "/v1/alerts/count": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AlertCount"];
          };
        };
      };
    };
  };
  "/v1/audit": {
    get: {
      parameters: {
        query?: {
          action?: string | null;
          after?: string | null;
          limit?: number;
          tenant?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AuditPage"];
          };
        };
      };
    };
  };
  "/v1/connections/{connection}/messages": {
    post: {
      parameters: {
        path: {
          connection: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["DirectMessage"];
        };
      };
      responses: {
        202: {
          content: {
            "application/json": components["schemas"]["Passed"];
          };
        };
      };
    };
  };
  "/v1/connections/count": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConnectionCount"];
          };
        };
      };
    };
  };
  "/v1/conversations": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          limit?: number;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConversationPage"];
          };
        };
      };
    };
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["NewConversation"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConversationView"];
          };
        };
        201: {
          content: {
            "application/json": components["schemas"]["ConversationView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}": {
    get: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConversationView"];
          };
        };
      };
    };
    patch: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["ChangedConversation"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConversationView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/attachments": {
    post: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["AttachmentBody"];
        };
      };
      responses: {
        201: {
          content: {
            "application/json": components["schemas"]["TicketView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/attachments/{attachment}": {
    get: {
      parameters: {
        path: {
          attachment: string;
          conversation: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DownloadView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/attachments/{attachment}/complete": {
    post: {
      parameters: {
        path: {
          attachment: string;
          conversation: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AttachmentView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/delivered": {
    post: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["ReceiptBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["PositionView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/join": {
    post: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConversationView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/members": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          limit?: number;
        };
        path: {
          conversation: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MemberPage"];
          };
        };
      };
    };
    post: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["NewMembers"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["AddedMembers"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/members/{user}": {
    delete: {
      parameters: {
        path: {
          conversation: string;
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
    patch: {
      parameters: {
        path: {
          conversation: string;
          user: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["RoleBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MemberView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/messages": {
    get: {
      parameters: {
        query?: {
          after?: number | null;
          before?: number | null;
          limit?: number;
        };
        path: {
          conversation: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MessagePage"];
          };
        };
      };
    };
    post: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["NewMessage"];
        };
      };
      responses: {
        201: {
          content: {
            "application/json": components["schemas"]["MessageView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/messages/{message}": {
    get: {
      parameters: {
        path: {
          conversation: string;
          message: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MessageView"];
          };
        };
      };
    };
    delete: {
      parameters: {
        query?: {
          for?: "me" | "everyone";
        };
        path: {
          conversation: string;
          message: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MessageView"];
          };
        };
      };
    };
    patch: {
      parameters: {
        path: {
          conversation: string;
          message: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["ChangedMessage"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MessageView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}": {
    put: {
      parameters: {
        path: {
          conversation: string;
          emoji: string;
          message: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MessageView"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          conversation: string;
          emoji: string;
          message: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["MessageView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/messages/{message}/receipts": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          limit?: number;
        };
        path: {
          conversation: string;
          message: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ReceiptsView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/read": {
    post: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["ReadBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["PositionView"];
          };
        };
      };
    };
  };
  "/v1/conversations/{conversation}/settings": {
    patch: {
      parameters: {
        path: {
          conversation: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["SettingsBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConversationView"];
          };
        };
      };
    };
  };
  "/v1/conversations/search": {
    get: {
      parameters: {
        query: {
          after?: string | null;
          conversation?: string | null;
          limit?: number;
          q: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["FoundPage"];
          };
        };
      };
    };
  };
  "/v1/conversations/unread": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UnreadView"];
          };
        };
      };
    };
  };
  "/v1/dead-letters": {
    get: {
      parameters: {
        query?: {
          after?: number | null;
          channel?: ("in_app" | "push" | "email") | null;
          failure?: ("address_gone" | "bad_request" | "credentials" | "quota" | "provider_down" | "worker_lost" | "policy" | "expired" | "unclassified") | null;
          limit?: number;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DeadPage"];
          };
        };
      };
    };
  };
  "/v1/dead-letters/redrive": {
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["RedriveBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Redriven"];
          };
        };
      };
    };
  };
  "/v1/deliveries": {
    get: {
      parameters: {
        query: {
          after?: string | null;
          channel?: ("in_app" | "push" | "email") | null;
          limit?: number;
          state?: ("pending" | "sending" | "sent" | "acked" | "dead" | "expired" | "suppressed" | "cancelled") | null;
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UserDeliveryPage"];
          };
        };
      };
    };
  };
  "/v1/devices": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DeviceList"];
          };
        };
      };
    };
    put: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["DeviceBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DeviceView"];
          };
        };
      };
    };
    delete: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Forgotten"];
          };
        };
      };
    };
  };
  "/v1/devices/{device}": {
    delete: {
      parameters: {
        path: {
          device: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
  };
  "/v1/event-types": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["EventTypeList"];
          };
        };
      };
    };
  };
  "/v1/event-types.ts": {
    get: {
      responses: {
        200: {
          content: {
            "text/plain": string;
          };
        };
      };
    };
  };
  "/v1/event-types/{name}": {
    get: {
      parameters: {
        path: {
          name: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["EventTypeView"];
          };
        };
      };
    };
    put: {
      parameters: {
        path: {
          name: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["DeclarationBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["EventTypeView"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          name: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Withdrawn"];
          };
        };
      };
    };
  };
  "/v1/events": {
    get: {
      parameters: {
        query?: {
          cursor?: string | null;
          dialect?: string;
          limit?: number;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["EventPage"];
          };
        };
      };
    };
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["Event"];
        };
      };
      responses: {
        202: {
          content: {
            "application/json": components["schemas"]["EventsAccepted"];
          };
        };
      };
    };
  };
  "/v1/events/head": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["HeadView"];
          };
        };
      };
    };
  };
  "/v1/inbox": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          category?: string | null;
          level?: ("info" | "success" | "warning" | "error" | "critical") | null;
          limit?: number;
          status?: "all" | "unread" | "read" | "archived";
          type?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemPage"];
          };
        };
      };
    };
  };
  "/v1/inbox/{notification}": {
    get: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemView"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
  };
  "/v1/inbox/{notification}/archive": {
    post: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemView"];
          };
        };
      };
    };
  };
  "/v1/inbox/{notification}/read": {
    post: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemView"];
          };
        };
      };
    };
  };
  "/v1/inbox/{notification}/seen": {
    post: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemView"];
          };
        };
      };
    };
  };
  "/v1/inbox/{notification}/unarchive": {
    post: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemView"];
          };
        };
      };
    };
  };
  "/v1/inbox/{notification}/unread": {
    post: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemView"];
          };
        };
      };
    };
  };
  "/v1/inbox/clear": {
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["ClearBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["SweptView"];
          };
        };
      };
    };
  };
  "/v1/inbox/counts": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["CountsView"];
          };
        };
      };
    };
  };
  "/v1/inbox/read-all": {
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["ReadAllBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["SweptView"];
          };
        };
      };
    };
  };
  "/v1/inbox/seen": {
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["UpTo"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["SweptView"];
          };
        };
      };
    };
  };
  "/v1/notifications": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          category?: string | null;
          limit?: number;
          priority?: ("critical" | "high" | "normal" | "low" | "bulk") | null;
          q?: string | null;
          reference?: string | null;
          since?: string | null;
          state?: ("accepted" | "expanded" | "recalling" | "recalled") | null;
          type?: string | null;
          until?: string | null;
          user?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["NotificationPage"];
          };
        };
      };
    };
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["Notification"];
        };
      };
      responses: {
        202: {
          content: {
            "application/json": components["schemas"]["AcceptedView"];
          };
        };
      };
    };
  };
  "/v1/notifications/{notification}": {
    get: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["NotificationStatus"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["RecallView"];
          };
        };
        202: {
          content: {
            "application/json": components["schemas"]["RecallView"];
          };
        };
      };
    };
  };
  "/v1/notifications/{notification}/content": {
    get: {
      parameters: {
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ContentView"];
          };
        };
      };
    };
  };
  "/v1/notifications/{notification}/deliveries": {
    get: {
      parameters: {
        query?: {
          after?: number | null;
          channel?: ("in_app" | "push" | "email") | null;
          limit?: number;
          state?: ("pending" | "sending" | "sent" | "acked" | "dead" | "expired" | "suppressed" | "cancelled") | null;
        };
        path: {
          notification: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DeliveryPage"];
          };
        };
      };
    };
  };
  "/v1/notifications/bulk": {
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["Bulk"];
        };
      };
      responses: {
        202: {
          content: {
            "application/json": components["schemas"]["BulkView"];
          };
        };
      };
    };
  };
  "/v1/operator/dead-letters/summary": {
    get: {
      parameters: {
        query?: {
          tenant?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DeadSummary"];
          };
        };
      };
    };
  };
  "/v1/operator/overview": {
    get: {
      parameters: {
        query?: {
          minutes?: number;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["OverviewView"];
          };
        };
      };
    };
  };
  "/v1/operator/tenants": {
    get: {
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["TenantList"];
          };
        };
      };
    };
    post: {
      requestBody: {
        content: {
          "application/json": components["schemas"]["TenantBody"];
        };
      };
      responses: {
        201: {
          content: {
            "application/json": components["schemas"]["TenantView"];
          };
        };
      };
    };
  };
  "/v1/operator/tenants/{tenant}/keys": {
    get: {
      parameters: {
        path: {
          tenant: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["KeyList"];
          };
        };
      };
    };
    post: {
      parameters: {
        path: {
          tenant: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["KeyBody"];
        };
      };
      responses: {
        201: {
          content: {
            "application/json": components["schemas"]["NewKeyView"];
          };
        };
      };
    };
  };
  "/v1/operator/tenants/{tenant}/keys/{prefix}": {
    delete: {
      parameters: {
        path: {
          prefix: string;
          tenant: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["KeyView"];
          };
        };
      };
    };
  };
  "/v1/operator/tenants/{tenant}/quotas": {
    get: {
      parameters: {
        path: {
          tenant: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["QuotaList"];
          };
        };
      };
    };
  };
  "/v1/operator/usage": {
    get: {
      parameters: {
        query?: {
          mode?: "live" | "test";
          since?: string | null;
          until?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UsageByTenant"];
          };
        };
      };
    };
  };
  "/v1/operator/users": {
    get: {
      parameters: {
        query?: {
          after?: number | null;
          limit?: number;
          q?: string | null;
          tenant?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UserList"];
          };
        };
      };
    };
  };
  "/v1/operator/users/{user}": {
    get: {
      parameters: {
        query?: {
          tenant?: string | null;
        };
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UserPage"];
          };
        };
      };
    };
  };
  "/v1/outbox/rejected": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          limit?: number;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["RejectedPage"];
          };
        };
      };
    };
  };
  "/v1/presence": {
    get: {
      parameters: {
        query?: {
          users?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["PresenceView"];
          };
        };
      };
    };
  };
  "/v1/redrives/{redrive}": {
    get: {
      parameters: {
        path: {
          redrive: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["RedriveView"];
          };
        };
      };
    };
  };
  "/v1/subscriptions": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          limit?: number;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["SubscriptionPage"];
          };
        };
      };
    };
  };
  "/v1/subscriptions/{topic}": {
    put: {
      parameters: {
        path: {
          topic: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Subscription"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          topic: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
  };
  "/v1/topics/{topic}": {
    put: {
      parameters: {
        path: {
          topic: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["Door"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["TopicView"];
          };
        };
      };
    };
  };
  "/v1/topics/{topic}/members": {
    put: {
      parameters: {
        path: {
          topic: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["Members"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Added"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          topic: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["Members"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Removed"];
          };
        };
      };
    };
  };
  "/v1/usage": {
    get: {
      parameters: {
        query?: {
          since?: string | null;
          until?: string | null;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UsageView"];
          };
        };
      };
    };
  };
  "/v1/users/{user}": {
    get: {
      parameters: {
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UserView"];
          };
        };
      };
    };
    put: {
      parameters: {
        path: {
          user: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["UserBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UserView"];
          };
        };
      };
    };
    delete: {
      parameters: {
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/connections": {
    get: {
      parameters: {
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Connections"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/conversations": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          limit?: number;
        };
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ConversationPage"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/devices": {
    get: {
      parameters: {
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DeviceList"];
          };
        };
      };
    };
    put: {
      parameters: {
        path: {
          user: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["DeviceBody"];
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["DeviceView"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/devices/{device}": {
    delete: {
      parameters: {
        path: {
          device: string;
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/email/enable": {
    post: {
      parameters: {
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["UserView"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/inbox": {
    get: {
      parameters: {
        query?: {
          after?: string | null;
          limit?: number;
          status?: "all" | "unread" | "read" | "archived";
        };
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemPage"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/inbox/{notification}": {
    delete: {
      parameters: {
        path: {
          notification: string;
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["Deleted"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/inbox/{notification}/read": {
    post: {
      parameters: {
        path: {
          notification: string;
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["ItemView"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/inbox/read-all": {
    post: {
      parameters: {
        path: {
          user: string;
        };
      };
      responses: {
        200: {
          content: {
            "application/json": components["schemas"]["SweptView"];
          };
        };
      };
    };
  };
  "/v1/users/{user}/tokens": {
    post: {
      parameters: {
        path: {
          user: string;
        };
      };
      requestBody: {
        content: {
          "application/json": components["schemas"]["TokenBody"];
        };
      };
      responses: {
        201: {
          content: {
            "application/json": components["schemas"]["TokenView"];
          };
        };
      };
    };
  };
}
export interface components {
  schemas: {
    AcceptedView: {
      created_at: string;
      id: string;
      links: components["schemas"]["Links"];
      status: "accepted";
    };
    AckBody: {
      ids?: string[] | null;
      up_to_seq?: number | null;
    };
    Acknowledged: {
      acknowledged: number;
    };
    AckView: {
      acknowledged: number;
    };
    Added: {
      members: number;
      topic: string;
    };
    AddedMembers: {
      added: string[];
    };
    Advice: {
      backoffMultiplier: number;
      defaultInterval: number;
      maxInterval: number;
      maxRetries: number;
      minInterval: number;
    };
    Alert: {
      alert_id?: string | number | null;
      data?: {
        [key: string]: unknown;
      };
      expires_in?: number | null;
      level?: "info" | "success" | "warning" | "error" | "critical" | "debug" | "informational" | "low" | "notice" | "medium" | "moderate" | "warn" | "danger" | "err" | "high" | "alert" | "crit" | "emerg" | "emergency" | "fatal" | "panic" | "urgent";
      message: string;
      severity?: ("info" | "success" | "warning" | "error" | "critical" | "debug" | "informational" | "low" | "notice" | "medium" | "moderate" | "warn" | "danger" | "err" | "high" | "alert" | "crit" | "emerg" | "emergency" | "fatal" | "panic" | "urgent") | null;
      title: string;
      type?: string;
    };
    AlertCount: {
      unacknowledged: number;
    };
    AlertPage: {
      data: components["schemas"]["AlertView"][];
      page: components["schemas"]["Page"];
    };
    AlertView: {
      acknowledged: boolean;
      acknowledged_at: string | null;
      acknowledged_by: string | null;
      alert_id: string;
      created_at: string;
      data: {
        [key: string]: unknown;
      };
      expires_at: string;
      id: string;
      level: "info" | "success" | "warning" | "error" | "critical";
      message: string;
      severity: "info" | "success" | "warning" | "error" | "critical";
      state: "new" | "acknowledged";
      title: string;
      type: string;
    };
    AllRead: {
      count: number;
      unread_count: number;
    };
    AttachmentBody: {
      name: string;
      sha256: string;
      size: number;
      type: string;
    };
    AttachmentView: {
      created_at: string;
      id: string;
      message_no: number | null;
      name: string;
      sha256: string;
      size: number;
      state: "pending" | "ready";
      type: string;
    };
    AttemptView: {
      at: string;
      failure: "address_gone" | "bad_request" | "credentials" | "quota" | "provider_down" | "worker_lost" | "policy" | "expired" | "unclassified";
      number: number;
      reason: string;
    };
    Audience: {
      tenant?: true | null;
      topic?: string | null;
      users?: (string | components["schemas"]["Recipient"])[] | null;
    };
    AuditPage: {
      data: components["schemas"]["AuditRecord"][];
      page: components["schemas"]["Page"];
    };
    AuditRecord: {
      action: string;
      actor: string;
      actor_kind: string;
      at: string;
      details: {
        [key: string]: unknown;
      };
      id: string;
      ip: string | null;
      request_id: string | null;
      subject: string;
      tenant: string;
    };
    Bulk: {
      items: components["schemas"]["BulkItem"][];
    };
    BulkItem: {
      action_label?: string | null;
      audience: components["schemas"]["Audience"];
      category?: string | null;
      channels?: string[] | null;
      collapse_key?: string | null;
      data?: {
        [key: string]: unknown;
      };
      expires_in?: number | null;
      idempotency_key?: string | null;
      level?: "info" | "success" | "warning" | "error" | "critical" | "debug" | "informational" | "low" | "notice" | "medium" | "moderate" | "warn" | "danger" | "err" | "high" | "alert" | "crit" | "emerg" | "emergency" | "fatal" | "panic" | "urgent";
      message: string;
      priority?: "critical" | "high" | "normal" | "low" | "bulk";
      reference?: string | null;
      require_known?: boolean;
      severity?: ("info" | "success" | "warning" | "error" | "critical" | "debug" | "informational" | "low" | "notice" | "medium" | "moderate" | "warn" | "danger" | "err" | "high" | "alert" | "crit" | "emerg" | "emergency" | "fatal" | "panic" | "urgent") | null;
      title: string;
      type?: string;
      url?: string | null;
    };
    BulkResult: {
      created_at?: string | null;
      id?: string | null;
      links?: components["schemas"]["Links"] | null;
      problem?: components["schemas"]["ProblemDocument"] | null;
      replayed?: boolean | null;
      status: number;
    };
    BulkView: {
      data: components["schemas"]["BulkResult"][];
    };
    ChangedConversation: {
      history?: ("shared" | "joined" | "invited") | null;
      name?: string | null;
    };
    ChangedMessage: {
      content: string;
      mentions?: string[] | null;
    };
    ClearBody: {
      category?: string | null;
      level?: ("info" | "success" | "warning" | "error" | "critical") | null;
      status?: "all" | "unread" | "read" | "archived";
      type?: string | null;
      up_to?: string | null;
    };
    Coalescing: {
      key?: string[];
      window_ms: number;
    };
    ConnectionCount: {
      connections: number;
      rooms: number;
      users: number;
      web_processes: number;
    };
    Connections: {
      data: string[];
    };
    ConnectionStats: {
      rooms: number;
      totalConnections: number;
    };
    ContentView: {
      category: string | null;
      collapse_key: string | null;
      created_at: string;
      data: {
        [key: string]: unknown;
      };
      expires_at: string;
      id: string;
      level: "info" | "success" | "warning" | "error" | "critical";
      message: string;
      notification_id: string;
      priority: "critical" | "high" | "normal" | "low" | "bulk";
      reference: string | null;
      severity: "info" | "success" | "warning" | "error" | "critical";
      timestamp: string;
      title: string;
      type: string;
      url: string | null;
    };
    ConversationPage: {
      data: components["schemas"]["ConversationView"][];
      page: components["schemas"]["Page"];
    };
    ConversationView: {
      created_at: string;
      created_by: string | null;
      history: "shared" | "joined" | "invited";
      id: string;
      last_message: components["schemas"]["MessageView"] | null;
      last_message_at: string | null;
      last_no: number | null;
      member_count: number;
      muted_until: string | null;
      name: string | null;
      notify: ("all" | "mentions" | "none") | null;
      participants: string[];
      read_no: number | null;
      role: ("owner" | "moderator" | "member" | "invited") | null;
      type: "direct" | "group";
      unread: number | null;
      unread_mentions: number | null;
    };
    CountsView: {
      total: number;
      unread: number;
      unseen: number;
    };
    DeadGroup: {
      channel: string;
      failure: string;
      mode: "live" | "test";
      not_redrivable: {
        [key: string]: number;
      };
      number: number;
      tenant: string;
    };
    DeadLetter: {
      acked_at: string | null;
      action: "show" | "withdraw";
      attempts: number;
      channel: string;
      created_at: string;
      expires_at: string;
      failed_attempts: components["schemas"]["AttemptView"][];
      failure: ("address_gone" | "bad_request" | "credentials" | "quota" | "provider_down" | "worker_lost" | "policy" | "expired" | "unclassified") | null;
      id: number;
      next_attempt_at: string | null;
      notification_id: string;
      provider_id: string | null;
      reason: string | null;
      sent_at: string | null;
      seq: number | null;
      state: "pending" | "sending" | "sent" | "acked" | "dead" | "expired" | "suppressed" | "cancelled";
      user: string;
    };
    DeadPage: {
      data: components["schemas"]["DeadLetter"][];
      page: components["schemas"]["Page"];
    };
    DeadSummary: {
      data: components["schemas"]["DeadGroup"][];
      more: boolean;
    };
    DeclarationBody: {
      coalesce?: components["schemas"]["Coalescing"] | null;
      description?: string | null;
      payload?: {
        [key: string]: unknown;
      };
      priority?: "critical" | "high" | "normal" | "low" | "bulk";
      replay?: boolean;
      rooms?: ("user" | "tenant" | "conversation")[];
      title: string;
      ttl?: number;
    };
    Deleted: {
      deleted: true;
    };
    DeliveryPage: {
      data: components["schemas"]["DeliveryView"][];
      page: components["schemas"]["Page"];
    };
    DeliveryView: {
      acked_at: string | null;
      action: "show" | "withdraw";
      attempts: number;
      channel: string;
      created_at: string;
      expires_at: string;
      failed_attempts: components["schemas"]["AttemptView"][];
      failure: ("address_gone" | "bad_request" | "credentials" | "quota" | "provider_down" | "worker_lost" | "policy" | "expired" | "unclassified") | null;
      id: number;
      next_attempt_at: string | null;
      provider_id: string | null;
      reason: string | null;
      sent_at: string | null;
      seq: number | null;
      state: "pending" | "sending" | "sent" | "acked" | "dead" | "expired" | "suppressed" | "cancelled";
      user: string;
    };
    DeviceBody: {
      fid?: string | null;
      platform?: ("android" | "ios" | "web") | null;
      token?: string | null;
    };
    DeviceList: {
      data: components["schemas"]["DeviceView"][];
    };
    Devices: {
      devices: components["schemas"]["DeviceView"][];
    };
    DeviceView: {
      created_at: string;
      disabled_at: string | null;
      disabled_reason: string | null;
      id: string;
      kind: "token" | "fid";
      last_seen_at: string;
      platform: string | null;
      state: "active" | "stale" | "expired" | "disabled";
    };
    DirectMessage: {
      message: {
        [key: string]: unknown;
      };
    };
    Door: {
      open: boolean;
    };
    DownloadView: {
      created_at: string;
      download: components["schemas"]["SignedUrl"] | null;
      id: string;
      message_no: number | null;
      name: string;
      preview: components["schemas"]["SignedUrl"] | null;
      sha256: string;
      size: number;
      state: "pending" | "ready";
      type: string;
    };
    Event: {
      audience: components["schemas"]["EventAudience"];
      data: {
        [key: string]: unknown;
      };
      key?: string | null;
      type: string;
    };
    EventAudience: {
      tenant?: true | null;
      users?: string[] | null;
    };
    EventIds: {
      eventIds: string[];
    };
    EventPage: {
      complete: boolean;
      cursor: string;
      data: components["schemas"]["EventView"][];
      epoch: string;
      more: boolean;
      poll_interval_ms: number;
      positions: {
        [key: string]: number;
      };
    };
    EventsAccepted: {
      accepted: number;
    };
    EventTypeList: {
      data: components["schemas"]["EventTypeView"][];
    };
    EventTypeView: {
      coalesce: components["schemas"]["Coalescing"] | null;
      declared_by: "carillon" | "installation" | "tenant";
      description: string | null;
      emitted_by: "server" | "client" | "nobody";
      name: string;
      payload: {
        [key: string]: unknown;
      };
      priority: "critical" | "high" | "normal" | "low" | "bulk";
      replay: boolean;
      reserved: boolean;
      rooms: ("user" | "tenant" | "conversation")[];
      title: string;
      ttl: number;
    };
    EventView: {
      created_at: string;
      event: string;
      payload: {
        [key: string]: unknown;
      };
      room: string;
      seq: number;
    };
    Failure: "address_gone" | "bad_request" | "credentials" | "quota" | "provider_down" | "worker_lost" | "policy" | "expired" | "unclassified";
    FieldError: {
      code: string;
      field: string;
      message: string;
    };
    FileView: {
      id: string;
      name: string;
      size: number;
      type: string;
    };
    Forgotten: {
      deleted: number;
    };
    FoundMessages: {
      messages: {
        [key: string]: unknown;
      }[];
      page: components["schemas"]["Page"];
    };
    FoundPage: {
      data: components["schemas"]["MessageView"][];
      page: components["schemas"]["Page"];
    };
    FoundUser: {
      created_at: string;
      devices: number;
      email: string | null;
      email_disabled_at: string | null;
      id: string;
    };
    GroupMessage: {
      content: string;
      groupId: string | number;
      isPrivate?: boolean;
      replyTo?: string | null;
      targetUserId?: string | number | null;
      tempId?: string | null;
      userId?: string | number | null;
    };
    HeadView: {
      cursor: string;
      epoch: string;
      positions: {
        [key: string]: number;
      };
    };
    ItemList: {
      notifications: components["schemas"]["KnownItem"][];
      page: components["schemas"]["Page"];
      unread_count: number;
    };
    ItemPage: {
      data: components["schemas"]["ItemView"][];
      page: components["schemas"]["Page"];
    };
    ItemView: {
      archived_at: string | null;
      category: string | null;
      collapse_key: string | null;
      created_at: string;
      data: {
        [key: string]: unknown;
      };
      expires_at: string;
      id: string;
      level: "info" | "success" | "warning" | "error" | "critical";
      message: string;
      notification_id: string;
      priority: "critical" | "high" | "normal" | "low" | "bulk";
      read: boolean;
      read_at: string | null;
      reference: string | null;
      seen_at: string | null;
      seq: number;
      severity: "info" | "success" | "warning" | "error" | "critical";
      status: "unread" | "read" | "archived";
      timestamp: string;
      title: string;
      type: string;
      url: string | null;
    };
    KeyBody: {
      expires_at?: string | null;
      mode?: "live" | "test";
      name: string;
    };
    KeyList: {
      data: components["schemas"]["KeyView"][];
    };
    KeyView: {
      created_at: string;
      created_by: string | null;
      expires_at: string | null;
      last_used_at: string | null;
      mode: "live" | "test";
      name: string;
      prefix: string;
      revoked_at: string | null;
    };
    KnownConversations: {
      conversations: {
        [key: string]: unknown;
      }[];
      page: components["schemas"]["Page"];
    };
    KnownItem: {
      archived_at: string | null;
      carillon_id?: string | null;
      category: string | null;
      collapse_key: string | null;
      created_at: string;
      data: {
        [key: string]: unknown;
      };
      expires_at: string;
      id: string | number;
      level: "info" | "success" | "warning" | "error" | "critical";
      message: string;
      notification_id: string | number;
      priority: "critical" | "high" | "normal" | "low" | "bulk";
      read: boolean;
      read_at: string | null;
      reference: string | null;
      seen_at: string | null;
      seq: number;
      severity: string;
      status: "unread" | "read" | "archived";
      timestamp: string;
      title: string;
      type: string;
      url: string | null;
    };
    KnownMessages: {
      messages: {
        [key: string]: unknown;
      }[];
      page: components["schemas"]["NumberPage"];
    };
    Links: {
      deliveries: string;
      self: string;
    };
    MemberPage: {
      data: components["schemas"]["MemberView"][];
      page: components["schemas"]["Page"];
    };
    Members: {
      users: string[];
    };
    MemberView: {
      created_at: string;
      role: "owner" | "moderator" | "member" | "invited";
      user: string;
    };
    MessagePage: {
      data: components["schemas"]["MessageView"][];
      page: components["schemas"]["NumberPage"];
    };
    MessageView: {
      attachments: components["schemas"]["FileView"][];
      content: string;
      conversation_id: string;
      created_at: string;
      deleted_at: string | null;
      edited_at: string | null;
      id: string;
      media_url: string | null;
      mentions: string[];
      no: number;
      private_to: string | null;
      reactions: components["schemas"]["ReactionView"][];
      reply_to: string | null;
      sender: string | null;
      temp_id: string | null;
      type: "text" | "image" | "file" | "system";
    };
    NewConversation: {
      created_by?: string | null;
      history?: "shared" | "joined" | "invited";
      id?: string | null;
      name?: string | null;
      participants: string[];
      type: "direct" | "group";
    };
    NewKeyView: {
      created_at: string;
      created_by: string | null;
      expires_at: string | null;
      key: string;
      last_used_at: string | null;
      mode: "live" | "test";
      name: string;
      prefix: string;
      revoked_at: string | null;
    };
    NewMembers: {
      role?: "owner" | "moderator" | "member" | "invited";
      users: string[];
    };
    NewMessage: {
      attachments?: string[];
      content?: string;
      media_url?: string | null;
      mentions?: string[];
      private_to?: string | null;
      reply_to?: string | null;
      sender?: string | null;
      temp_id?: string | null;
      type?: ("text" | "image" | "file" | "system") | null;
    };
    NewNote: {
      action_url?: string | null;
      category?: string | null;
      data?: {
        [key: string]: unknown;
      };
      level?: ("info" | "success" | "warning" | "error" | "critical" | "debug" | "informational" | "low" | "notice" | "medium" | "moderate" | "warn" | "danger" | "err" | "high" | "alert" | "crit" | "emerg" | "emergency" | "fatal" | "panic" | "urgent") | null;
      message: string;
      notification_id?: string | number | null;
      title?: string | null;
      type?: string | null;
      url?: string | null;
      user_id: string | number;
    };
    Notification: {
      action_label?: string | null;
      audience: components["schemas"]["Audience"];
      category?: string | null;
      channels?: string[] | null;
      collapse_key?: string | null;
      data?: {
        [key: string]: unknown;
      };
      expires_in?: number | null;
      level?: "info" | "success" | "warning" | "error" | "critical" | "debug" | "informational" | "low" | "notice" | "medium" | "moderate" | "warn" | "danger" | "err" | "high" | "alert" | "crit" | "emerg" | "emergency" | "fatal" | "panic" | "urgent";
      message: string;
      priority?: "critical" | "high" | "normal" | "low" | "bulk";
      reference?: string | null;
      require_known?: boolean;
      severity?: ("info" | "success" | "warning" | "error" | "critical" | "debug" | "informational" | "low" | "notice" | "medium" | "moderate" | "warn" | "danger" | "err" | "high" | "alert" | "crit" | "emerg" | "emergency" | "fatal" | "panic" | "urgent") | null;
      title: string;
      type?: string;
      url?: string | null;
    };
    NotificationPage: {
      data: components["schemas"]["NotificationView"][];
      page: components["schemas"]["Page"];
    };
    NotificationStatus: {
      category: string | null;
      channels: string[] | null;
      collapse_key: string | null;
      created_at: string;
      data: {
        [key: string]: unknown;
      };
      deliveries: {
        [key: string]: {
          [key: string]: number;
        };
      };
      expires_at: string;
      id: string;
      level: "info" | "success" | "warning" | "error" | "critical";
      message: string;
      mode: "live" | "test";
      not_redrivable: {
        [key: string]: number;
      };
      priority: "critical" | "high" | "normal" | "low" | "bulk";
      reasons: components["schemas"]["OutcomeView"][];
      recipients: number;
      reference: string | null;
      state: "accepted" | "expanded" | "recalling" | "recalled";
      title: string;
      type: string;
      url: string | null;
      withdrawals: {
        [key: string]: {
          [key: string]: number;
        };
      };
    };
    NotificationView: {
      category: string | null;
      channels: string[] | null;
      collapse_key: string | null;
      created_at: string;
      data: {
        [key: string]: unknown;
      };
      expires_at: string;
      id: string;
      level: "info" | "success" | "warning" | "error" | "critical";
      message: string;
      mode: "live" | "test";
      priority: "critical" | "high" | "normal" | "low" | "bulk";
      recipients: number;
      reference: string | null;
      state: "accepted" | "expanded" | "recalling" | "recalled";
      title: string;
      type: string;
      url: string | null;
    };
    NumberPage: {
      has_more: boolean;
      next: number | null;
    };
    OutcomeView: {
      channel: string;
      failure: ("address_gone" | "bad_request" | "credentials" | "quota" | "provider_down" | "worker_lost" | "policy" | "expired" | "unclassified") | null;
      number: number;
      reason: string | null;
      state: "pending" | "sending" | "sent" | "acked" | "dead" | "expired" | "suppressed" | "cancelled";
    };
    OverviewView: {
      connections: number;
      counted: boolean;
      dead_letters: {
        [key: string]: number;
      };
      latency: components["schemas"]["Quantiles"];
      queues: components["schemas"]["QueueView"][];
      series: components["schemas"]["Series"];
      step_seconds: number;
      web_processes: number;
    };
    Page: {
      has_more: boolean;
      next: string | null;
    };
    Passed: {
      status: string;
    };
    PolledEvent: {
      created_at: string;
      id: string;
      payload: {
        [key: string]: unknown;
      };
      type: string;
    };
    PolledPage: {
      complete: boolean;
      cursor: string;
      data: components["schemas"]["PolledEvent"][];
      more: boolean;
      poll: components["schemas"]["Advice"];
    };
    PositionView: {
      delivered_no: number;
      read_no: number;
      unread: number;
      unread_mentions: number;
    };
    PresenceView: {
      data: components["schemas"]["PresentUser"][];
      more: boolean;
    };
    PresentUser: {
      status: "online" | "away" | "busy" | "offline";
      user: string;
    };
    ProblemDocument: {
      code: string;
      detail: string;
      doc_url?: string | null;
      errors?: components["schemas"]["FieldError"][] | null;
      instance?: string | null;
      request_id?: string | null;
      status: number;
      title: string;
      type: string;
    } & {
      [key: string]: unknown;
    };
    Quantiles: {
      count: number;
      late: number;
      p50: number | null;
      p95: number | null;
      p99: number | null;
    };
    QueueView: {
      channel: string;
      due: number;
      oldest_seconds: number;
      paused_for: components["schemas"]["Failure"] | null;
      paused_until: string | null;
    };
    Quota: "users" | "topics" | "event_types" | "attachment_bytes" | "recipients_per_day" | "bytes_per_day";
    QuotaList: {
      data: components["schemas"]["QuotaView"][];
    };
    QuotaView: {
      limit: number;
      quota: components["schemas"]["Quota"];
      used: number | null;
    };
    Reach: {
      addresses: string[];
      channel: string;
      reason: string | null;
    };
    ReactionView: {
      count: number;
      emoji: string;
      me: boolean;
    };
    ReadAllBody: {
      category?: string | null;
      level?: ("info" | "success" | "warning" | "error" | "critical") | null;
      type?: string | null;
      up_to?: string | null;
    };
    ReadBody: {
      message_id?: string | null;
      no?: number | null;
      private?: boolean;
    };
    RecallView: {
      id: string;
      status: "recalling" | "recalled";
    };
    ReceiptBody: {
      message_id?: string | null;
      no?: number | null;
    };
    ReceiptsView: {
      data: components["schemas"]["ReceiptView"][];
      delivered: number;
      page: components["schemas"]["Page"];
      read: number;
    };
    ReceiptView: {
      status: "delivered" | "read";
      user: string;
    };
    Recipient: {
      email?: string | null;
      id: string;
      locale?: string | null;
    };
    RedriveBody: {
      channel?: ("in_app" | "push" | "email") | null;
      failure?: components["schemas"]["Failure"] | null;
      ids?: number[] | null;
      limit?: number;
      notification_id?: string | null;
      redrive?: string | null;
    };
    Redriven: {
      id: string;
      not_redriven: {
        [key: string]: number;
      };
      redriven: number;
      remaining: boolean;
    };
    RedriveView: {
      id: string;
      outcomes: components["schemas"]["OutcomeView"][];
    };
    Registration: {
      fid?: string | null;
      platform?: ("android" | "ios" | "web") | null;
      token?: string | null;
    };
    RejectedPage: {
      data: components["schemas"]["RejectedRow"][];
      page: components["schemas"]["Page"];
    };
    RejectedRow: {
      body: unknown;
      created_at: string;
      id: string;
      kind: string;
      problem: components["schemas"]["ProblemDocument"];
      rejected_at: string;
    };
    Removed: {
      removed: number;
      topic: string;
    };
    RoleBody: {
      role: "owner" | "moderator" | "member";
    };
    Sent: {
      created_at: string;
      id: string;
      notification_id: string;
      status: "accepted";
    };
    SentMessage: {
      message: {
        [key: string]: unknown;
      };
    };
    Series: {
      accepted: number[];
      acked: {
        [key: string]: number[];
      };
      at: number[];
      dead: {
        [key: string]: number[];
      };
      oldest: {
        [key: string]: (number | null)[];
      };
      p50: (number | null)[];
      p95: (number | null)[];
      p99: (number | null)[];
      requests: number[];
      sent: {
        [key: string]: number[];
      };
    };
    SettingsBody: {
      muted_until?: string | null;
      notify?: ("all" | "mentions" | "none") | null;
    };
    ShortNote: {
      message: string;
      type?: string | null;
    };
    SignedUrl: {
      expires_at: string;
      url: string;
    };
    Stats: {
      total: number;
      unread: number;
      unread_count: number;
      unseen: number;
    };
    Subscribed: {
      subscribed: boolean;
      topic: string;
    };
    Subscription: {
      topic: string;
    };
    SubscriptionPage: {
      data: components["schemas"]["Subscription"][];
      page: components["schemas"]["Page"];
    };
    SweptView: {
      count: number;
      counts: components["schemas"]["CountsView"];
      more: boolean;
    };
    TenantBody: {
      id: string;
      name?: string | null;
    };
    TenantList: {
      data: components["schemas"]["TenantView"][];
    };
    TenantView: {
      created_at: string;
      dialect: string | null;
      id: string;
      name: string;
      weight: number;
    };
    TicketView: {
      created_at: string;
      id: string;
      message_no: number | null;
      name: string;
      sha256: string;
      size: number;
      state: "pending" | "ready";
      type: string;
      upload: components["schemas"]["UploadView"];
    };
    TokenBody: {
      lifetime?: number;
    };
    TokenView: {
      expires_at: string;
      token: string;
    };
    TopicView: {
      open: boolean;
      topic: string;
    };
    UnreadConversation: {
      id: string;
      unread: number;
      unread_mentions: number;
    };
    UnreadCount: {
      conversations: {
        [key: string]: number;
      };
      mentionCount: number;
      unreadCount: number;
    };
    UnreadView: {
      data: components["schemas"]["UnreadConversation"][];
      unread: number;
      unread_mentions: number;
    };
    Unregistered: {
      count: number;
    };
    UploadView: {
      expires_at: string;
      headers: {
        [key: string]: string;
      };
      method: "PUT";
      url: string;
    };
    UpTo: {
      up_to?: string | null;
    };
    UsageByTenant: {
      data: components["schemas"]["UsageOfTenant"][];
    };
    UsageDay: {
      day: string;
      deliveries: {
        [key: string]: {
          [key: string]: number;
        };
      };
      notifications: number;
      recipients: number;
    };
    UsageOfTenant: {
      deliveries: {
        [key: string]: {
          [key: string]: number;
        };
      };
      notifications: number;
      recipients: number;
      tenant: string;
    };
    UsageView: {
      data: components["schemas"]["UsageDay"][];
    };
    UserBody: {
      email?: string | null;
      locale?: string | null;
    };
    UserDelivery: {
      acked_at: string | null;
      action: "show" | "withdraw";
      attempts: number;
      channel: string;
      created_at: string;
      expires_at: string;
      failed_attempts: components["schemas"]["AttemptView"][];
      failure: ("address_gone" | "bad_request" | "credentials" | "quota" | "provider_down" | "worker_lost" | "policy" | "expired" | "unclassified") | null;
      id: number;
      next_attempt_at: string | null;
      notification_id: string;
      provider_id: string | null;
      reason: string | null;
      sent_at: string | null;
      seq: number | null;
      state: "pending" | "sending" | "sent" | "acked" | "dead" | "expired" | "suppressed" | "cancelled";
      title: string;
      user: string;
    };
    UserDeliveryPage: {
      data: components["schemas"]["UserDelivery"][];
      page: components["schemas"]["Page"];
    };
    UserList: {
      data: components["schemas"]["FoundUser"][];
      page: components["schemas"]["Page"];
    };
    UserPage: {
      devices: components["schemas"]["DeviceView"][];
      presence: string | null;
      reach: components["schemas"]["Reach"][];
      tenant: string;
      topics: string[];
      user: components["schemas"]["UserView"];
    };
    UserView: {
      created_at: string;
      email: string | null;
      email_disabled_at: string | null;
      email_disabled_reason: string | null;
      id: string;
      locale: string | null;
      updated_at: string;
    };
    Withdrawn: {
      deleted: true;
    };
  };
}

export const CHANNELS = ["in_app", "push", "email"] as const;

export const DELIVERY_STATES = ["pending", "sending", "sent", "acked", "dead", "expired", "suppressed", "cancelled"] as const;

export const NOTIFICATION_STATES = ["accepted", "expanded", "recalling", "recalled"] as const;

export const LEVELS = ["info", "success", "warning", "error", "critical"] as const;

export const PRIORITIES = ["critical", "high", "normal", "low", "bulk"] as const;
